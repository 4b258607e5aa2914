"""Records tables of Spark-Hudi with Spark's own answers: OUT/<name>.tar.gz and OUT/<name>.expected.json (test/golden/hudi).

  spark.sh record VERSION OUT [NAME ...]     the recipes of that Hudi version below, or those named

Tables are made below /lake, which their rollback and clean plans then name. Answers: snapshot with meta columns, read-optimized, as of and
incremental for up to four commits (completion times from table version 8 on), change data where it is on. What Spark refuses is in "spark_errors".
"""
import datetime
import json
import os
import re
import shutil
import sys
import tarfile

import spark_hudi as hudi

ROOT = '/lake'
P = 'org.apache.hudi.keygen.'
M = 'org.apache.hudi.common.model.'
PAYLOAD = 'hoodie.datasource.write.payload.class'
KEYGEN = 'hoodie.datasource.write.keygenerator.class'
PLAIN = 'id string, region string, name string, qty int, amount decimal(10,2), at timestamp, day date, ts bigint'
COW, MOR = 'COPY_ON_WRITE', 'MERGE_ON_READ'


def row(n, region, name, ts):
    return {'id': f'k{n:03d}', 'region': region, 'name': name, 'qty': n * 3, 'amount': f'{n}.{n % 10}5',
            'at': f'2025-01-01T00:00:{n % 60:02d}.{ts % 1000000:06d}Z', 'day': f'2025-01-{n % 27 + 1:02d}', 'ts': ts}


def rows(spec):
    """'1us:a 2eu:b@5': key 1, region us, name a, ts 1000 (or the one behind @)."""
    out = []
    for word in spec.split():
        n, region, name, ts = re.match(r'(\d+)(\w*):(\w+)(?:@(\d+))?$', word).groups()
        out.append(row(int(n), region or 'us', name, int(ts or 1000)))
    return out


class Table:
    def __init__(self, name, version, kind, schema=PLAIN, key='id', partition='region', ordering='ts', generator=None, **options):
        self.name, self.version, self.kind, self.schema, self.steps = name, version, kind, schema, []
        generator = generator or ('SimpleKeyGenerator' if partition else 'NonpartitionedKeyGenerator')
        self.options = {
            'hoodie.table.name': name, 'hoodie.datasource.write.table.type': kind, 'hoodie.datasource.write.recordkey.field': key,
            'hoodie.datasource.write.partitionpath.field': partition, KEYGEN: P + generator, 'hoodie.metadata.enable': 'false',
            'hoodie.compact.inline': 'false', 'hoodie.datasource.compaction.async.enable': 'false', 'hoodie.clean.automatic': 'false',
            'hoodie.archive.automatic': 'false', 'hoodie.embed.timeline.server': 'false', 'hoodie.write.markers.type': 'DIRECT',
            'hoodie.bloom.index.filter.type': 'SIMPLE', 'hoodie.index.bloom.num_entries': '100', 'hoodie.parquet.small.file.limit': '104857600',
            'hoodie.logfile.data.block.format': 'avro'}
        if ordering:
            self.options['hoodie.datasource.write.precombine.field'] = ordering
        self.options.update({k.replace('__', '.'): v for k, v in options.items()})

    def set(self, **options):
        self.options.update({k.replace('__', '.'): v for k, v in options.items()})
        return self

    def with_options(self, options):
        self.options.update(options)
        return self

    def write(self, operation, data, options=None):
        self.steps.append(('write', operation, rows(data) if isinstance(data, str) else data, options or {}))
        return self

    def upsert(self, data, options=None):
        return self.write('upsert', data, options)

    def delete(self, data):
        return self.write('delete', data)

    def sql(self, query):
        self.steps.append(('sql', query))
        return self

    def service(self, procedure, **arguments):
        self.steps.append(('service', procedure, arguments))
        return self

    def compact(self):
        return self.service('run_compaction', op='schedule').service('run_compaction', op='run')

    @property
    def path(self):
        return f'{ROOT}/{self.name}'

    def make(self, spark):
        shutil.rmtree(self.path, ignore_errors=True)
        for step in self.steps:
            if step[0] == 'write':
                self._write(spark, *step[1:])
            elif step[0] == 'sql':
                spark.sql(f"create table if not exists {self.name} using hudi location '{self.path}'")
                spark.sql(step[1].replace('$T', self.name))
            else:
                self._service(spark, *step[1:])

    def _write(self, spark, operation, data, options):
        from pyspark.sql.types import _parse_datatype_string
        schema = _parse_datatype_string(options.get('schema', self.schema))
        own = {k: v for k, v in options.items() if k != 'schema'}
        data = [tuple(hudi.value(r.get(f.name), f.dataType) for f in schema.fields) for r in data]
        options = {**self.options, 'hoodie.datasource.write.operation': operation, **own}
        spark.createDataFrame(data, schema).coalesce(1).write.format('hudi').options(**options).mode('append').save(self.path)

    def _service(self, spark, procedure, arguments):
        options = 'hoodie.metadata.enable=false,hoodie.embed.timeline.server=false,hoodie.write.markers.type=DIRECT,hoodie.compact.inline.max.delta.commits=1'
        given = ', '.join(f"{k} => '{v}'" for k, v in arguments.items())
        spark.sql('set hoodie.metadata.enable=false')
        spark.sql(f"call {procedure}(path => '{self.path}', {given}, options => '{options}')").collect()


def timeline(path):
    """Instants in their furthest state: [{t, action, state, c}], c = completion time from table version 8 on."""
    version = int(hudi.properties(path)['hoodie.table.version'])
    folder = os.path.join(path, '.hoodie', 'timeline' if version >= 8 else '')
    rank = ['requested', 'inflight', 'completed']
    found = {}
    for name in sorted(os.listdir(folder)):
        m = re.match(r'^(\d{17})(?:_(\d{17}))?\.([a-z]+)(?:\.([a-z]+))?$', name)
        if not m:
            continue
        t, c, action, state = m.groups()
        if action == 'inflight':
            action, state = 'commit', 'inflight'
        state = state or 'completed'
        key = t + action if action in ('savepoint', 'clean', 'rollback', 'restore', 'indexing') else t
        if key not in found or rank.index(state) > rank.index(found[key]['state']):
            found[key] = {'t': t, 'action': action, 'state': state, **({'c': c} if c else {})}
    return [found[k] for k in sorted(found)]


def answers(spark, table):
    path, queries, errors = table.path, {}, {}

    def ask(name, **request):
        # Hudi 1.0 takes the rows of the commit that a range begins with, too: it is asked for those from a millisecond later on.
        if table.version == '1.0' and request.get('mode') == 'incremental' and request['begin'] != '000':
            request['begin'] = str(int(request['begin']) + 1)
        try:
            found = hudi.read(spark, {'path': path, **request})
            for r in found:
                for side in ('before', 'after'):
                    if request.get('mode') == 'cdc' and isinstance(r.get(side), str):
                        r[side] = json.loads(r[side])
            queries[name] = sorted(found, key=lambda r: json.dumps(r, sort_keys=True))
        except Exception as e:
            errors[name] = f'{e}'.split('\n')[0][:300].replace(path, '<table>')

    ask('snapshot_with_meta', meta=True)
    if 'snapshot_with_meta' in queries:
        queries['snapshot'] = [{k: v for k, v in r.items() if k not in hudi.META} for r in queries['snapshot_with_meta']]
    if table.kind == MOR:
        ask('read_optimized', mode='ro')
    instants = timeline(path)
    done = [(i['t'], i.get('c', i['t'])) for i in instants if i['state'] == 'completed' and i['action'] in ('commit', 'deltacommit', 'replacecommit')]
    pick = done if len(done) <= 4 else done[:1] + done[len(done) // 2:][:3]
    for t, _ in pick:
        ask(f'as_of:{t}', mode='asof', at=t)
    for begin in ['000'] + [c for _, c in pick]:
        ask(f'incremental:({begin},]', mode='incremental', begin=begin)
    if len(done) >= 3:
        ask(f'incremental:({done[0][1]},{done[1][1]}]', mode='incremental', begin=done[0][1], end=done[1][1])
    if hudi.properties(path).get('hoodie.table.cdc.enabled') == 'true':
        for begin in ['000'] + [c for _, c in pick]:
            ask(f'cdc:({begin},]', mode='cdc', begin=begin)
    return {'name': table.name, 'hudi': hudi.RELEASE[table.version], 'timeline': instants, 'queries': queries, **({'spark_errors': errors} if errors else {})}


def pack(table, out):
    def keep(info):
        name = os.path.basename(info.name)
        if name.endswith('.crc') or info.isdir():
            return info if info.isdir() else None
        info.uid = info.gid = 0
        info.uname = info.gname = ''
        info.mtime = 0
        return info
    with tarfile.open(os.path.join(out, f'{table.name}.tar.gz'), 'w:gz', format=tarfile.GNU_FORMAT) as tar:
        tar.add(table.path, table.name, filter=keep)


def record(spark, table, out):
    started = datetime.datetime.now()
    table.make(spark)
    found = answers(spark, table)
    pack(table, out)
    with open(os.path.join(out, f'{table.name}.expected.json'), 'w') as f:
        json.dump(found, f, indent=1, sort_keys=True)
        f.write('\n')
    seconds = (datetime.datetime.now() - started).total_seconds()
    print(f'{table.name}: {len(found["queries"])} answers, {found.get("spark_errors", {})}, {seconds:.0f} s', file=sys.stderr, flush=True)


def main():
    from record_recipes import TABLES
    version, out, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    os.makedirs(out, exist_ok=True)
    spark = hudi.session(version)
    for table in TABLES:
        if table.version == version and (not names or table.name in names):
            try:
                record(spark, table, out)
            except Exception as e:
                print(f'{table.name}: FAILED {e}'[:3000], file=sys.stderr, flush=True)
    spark.stop()


if __name__ == '__main__':
    main()
