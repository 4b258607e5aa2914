"""Apache Hudi through PySpark: reads tables and upserts into them, on request.

One JSON request per line on standard input, one JSON answer per line on standard output ({"ok": ...} or {"error": "..."}); with the path of a socket
and the number of a process as further arguments the same on each of its connections, at the same time, until the socket is taken away or the process ends:
  {"cmd": "read", "path": P, "mode": "snapshot"|"ro"|"asof"|"incremental", "at": T, "begin": T, "end": T, "meta": bool}
  {"cmd": "upsert"|"delete"|"insert", "path": P, "rows": [...], "options": {"hoodie...": "..."}, "schema": "id bigint, ..."}
    without schema: the table's own; a table that is not there is made from schema and options alone
  {"cmd": "schema", "path": P}      {"cmd": "sql", "query": Q}
  {"cmd": "configure", "hadoop": {"fs.s3a...": "..."}, "java": {"aws...": "..."}}   settings of file systems and system properties, of the whole JVM
Rows travel as: decimal -> string, timestamp -> ISO-8601 UTC with six fraction digits and no zone, date -> ISO,
binary -> "hex:..", map -> object, float and double -> JSON number (NaN and infinities as strings).
"""
import datetime
import decimal
import json
import math
import os
import socket
import sys
import threading

RELEASE = {'0.15': '0.15.0', '1.0': '1.0.2', '1.1': '1.1.1', '1.2': '1.2.0'}
META = ['_hoodie_commit_time', '_hoodie_commit_seqno', '_hoodie_record_key', '_hoodie_partition_path', '_hoodie_file_name']
UTC = datetime.timezone.utc
# Of this thread, and of those that serve connections.
decimal.getcontext().prec = decimal.DefaultContext.prec = 76


def session(version):
    from pyspark.sql import SparkSession
    release = RELEASE[version]
    jar = os.path.join(os.environ['HUDI_JARS'], release, f'hudi-spark3.5-bundle_2.12-{release}.jar')
    work = os.environ['HUDI_WORK']
    java = ('-Duser.timezone=UTC -Djol.skipDynamicAttach=true -Djol.skipHotspotSAAttach=true -XX:+UseSerialGC ' + os.environ.get('HUDI_JVM', '-XX:TieredStopAtLevel=1')
            + f' -Dderby.system.home={work}/derby{os.getpid()}')
    settings = {
        'spark.jars': jar, 'spark.driver.memory': '2g',
        # Not among spark.jars: those are copied for every session.
        'spark.driver.extraClassPath': os.path.join(os.environ['HUDI_JARS'], 's3a', '*'),
        'spark.driver.bindAddress': '127.0.0.1', 'spark.driver.host': '127.0.0.1',
        'spark.serializer': 'org.apache.spark.serializer.KryoSerializer',
        'spark.kryo.registrator': 'org.apache.spark.HoodieSparkKryoRegistrar',
        'spark.sql.extensions': 'org.apache.spark.sql.hudi.HoodieSparkSessionExtension',
        'spark.sql.catalog.spark_catalog': 'org.apache.spark.sql.hudi.catalog.HoodieCatalog',
        'spark.sql.session.timeZone': 'UTC', 'spark.ui.enabled': 'false',
        'spark.sql.shuffle.partitions': '2', 'spark.default.parallelism': '2',
        'spark.sql.warehouse.dir': os.path.join(work, f'warehouse{os.getpid()}'), 'spark.driver.extraJavaOptions': java,
    }
    builder = SparkSession.builder.master('local[2]').appName('tributary-interop')
    for k, v in settings.items():
        builder = builder.config(k, v)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel('OFF')
    return spark


def printable(x):
    if isinstance(x, decimal.Decimal):
        return format(x, 'f')
    if isinstance(x, datetime.datetime):
        return (x.astimezone(UTC).replace(tzinfo=None) if x.tzinfo else x).isoformat(timespec='microseconds')
    if isinstance(x, datetime.date):
        return x.isoformat()
    if isinstance(x, (bytes, bytearray)):
        return 'hex:' + bytes(x).hex()
    if isinstance(x, float) and not math.isfinite(x):
        return str(x)
    if hasattr(x, 'asDict'):
        return {k: printable(v) for k, v in x.asDict().items()}
    if isinstance(x, dict):
        return {str(k): printable(v) for k, v in sorted(x.items())}
    if isinstance(x, (list, tuple)):
        return [printable(v) for v in x]
    return x


def rows(frame, meta):
    fields = [f for f in frame.schema.fields if meta or f.name not in META]
    data = frame.select(*[f'`{f.name}`' for f in fields]).collect()
    return [{f.name: printable(scaled(r[f.name], f.dataType)) for f in fields} for r in data]


def scaled(v, t):
    """Spark hands out small decimals with more digits than their type has."""
    scale = getattr(t, 'scale', None)
    return v if v is None or scale is None else v.quantize(decimal.Decimal(1).scaleb(-scale))


def read(spark, request):
    mode = request.get('mode', 'snapshot')
    options = {}
    if mode == 'ro':
        options['hoodie.datasource.query.type'] = 'read_optimized'
    elif mode == 'asof':
        options['as.of.instant'] = request['at']
    elif mode in ('incremental', 'cdc'):
        options['hoodie.datasource.query.type'] = 'incremental'
        if mode == 'cdc':
            options['hoodie.datasource.query.incremental.format'] = 'cdc'
        options['hoodie.datasource.read.begin.instanttime'] = request['begin']
        if request.get('end'):
            options['hoodie.datasource.read.end.instanttime'] = request['end']
    elif mode != 'snapshot':
        raise ValueError(f'unknown mode {mode}')
    spark.catalog.clearCache()
    return rows(spark.read.format('hudi').options(**options).load(request['path']), request.get('meta', False))


def parsed(text):
    return dict(line.split('=', 1) for line in text.split('\n') if '=' in line and line[0] != '#')


def properties(path):
    with open(os.path.join(path, '.hoodie', 'hoodie.properties')) as f:
        return parsed(f.read())


def properties_of(spark, path):
    """Of a table on disk, or wherever its URI says; None: there is no table."""
    if '://' not in path:
        return properties(path) if os.path.exists(os.path.join(path, '.hoodie')) else None
    jvm = spark.sparkContext._jvm
    file = jvm.org.apache.hadoop.fs.Path(f'{path}/.hoodie/hoodie.properties')
    files = file.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
    return parsed(jvm.org.apache.commons.io.IOUtils.toString(files.open(file), 'UTF-8')) if files.exists(file) else None


def write_options(p):
    """What the table's own properties imply; never upgrades the table, never runs a table service."""
    options = {
        'hoodie.table.name': p['hoodie.table.name'],
        'hoodie.datasource.write.table.type': p['hoodie.table.type'],
        'hoodie.datasource.write.recordkey.field': p.get('hoodie.table.recordkey.fields', ''),
        'hoodie.datasource.write.partitionpath.field': p.get('hoodie.table.partition.fields', ''),
        'hoodie.metadata.enable': 'true' if p.get('hoodie.table.metadata.partitions') else 'false',
        'hoodie.write.auto.upgrade': 'false', 'hoodie.write.table.version': p['hoodie.table.version'],
        'hoodie.compact.inline': 'false', 'hoodie.datasource.compaction.async.enable': 'false', 'hoodie.clean.automatic': 'false',
        'hoodie.embed.timeline.server': 'false', 'hoodie.write.markers.type': 'DIRECT',
    }
    ordering = p.get('hoodie.table.ordering.fields') or p.get('hoodie.table.precombine.field')
    if ordering:
        options['hoodie.datasource.write.precombine.field'] = ordering
    for name in ('hoodie.datasource.write.hive_style_partitioning', 'hoodie.index.type', 'hoodie.bucket.index.num.buckets',
                 'hoodie.bucket.index.hash.field'):
        if p.get(name):
            options[name] = p[name]
    if p.get('hoodie.table.keygenerator.class'):
        options['hoodie.datasource.write.keygenerator.class'] = p['hoodie.table.keygenerator.class']
    return options


def value(v, t):
    """A row's JSON value as Python's value for Spark type t."""
    from pyspark.sql import types as T
    if v is None:
        return None
    if isinstance(t, T.DecimalType):
        return decimal.Decimal(str(v))
    if isinstance(t, T.TimestampType):
        at = datetime.datetime.fromisoformat(v.replace('Z', '+00:00'))
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    if isinstance(t, T.DateType):
        return datetime.date.fromisoformat(v)
    if isinstance(t, T.BinaryType):
        return bytearray.fromhex(v.removeprefix('hex:'))
    if isinstance(t, (T.DoubleType, T.FloatType)):
        return float(v)
    if isinstance(t, T.LongType):
        return int(v)
    if isinstance(t, T.ArrayType):
        return [value(x, t.elementType) for x in v]
    if isinstance(t, T.MapType):
        return {k: value(x, t.valueType) for k, x in v.items()}
    if isinstance(t, T.StructType):
        return tuple(value(v.get(f.name), f.dataType) for f in t.fields)
    return v


def write(spark, request):
    from pyspark.sql.types import _parse_datatype_string
    path = request['path']
    if request.get('schema'):
        schema = _parse_datatype_string(request['schema'])
    else:
        schema = spark.read.format('hudi').load(path).drop(*META).schema
    data = [tuple(value(r.get(f.name), f.dataType) for f in schema.fields) for r in request['rows']]
    found = properties_of(spark, path)
    implied = {} if found is None else write_options(found)
    options = {**implied, 'hoodie.datasource.write.operation': request['cmd'], **request.get('options', {})}
    spark.createDataFrame(data, schema).coalesce(1).write.format('hudi').options(**options).mode('append').save(path)
    return None


def configure(spark, request):
    context = spark.sparkContext
    for name, setting in request['hadoop'].items():
        context._jsc.hadoopConfiguration().set(name, setting)
    for name, setting in request['java'].items():
        context._jvm.java.lang.System.setProperty(name, setting)
    return None


def answer(spark, request):
    cmd = request['cmd']
    if cmd == 'read':
        return read(spark, request)
    if cmd in ('upsert', 'insert', 'delete'):
        return write(spark, request)
    if cmd == 'schema':
        return json.loads(spark.read.format('hudi').load(request['path']).schema.json())
    if cmd == 'sql':
        return [{k: printable(v) for k, v in r.asDict().items()} for r in spark.sql(request['query']).collect()]
    if cmd == 'configure':
        return configure(spark, request)
    raise ValueError(f'unknown command {cmd}')


def serve(spark, requests, answers):
    for line in requests:
        try:
            out = {'ok': answer(spark, json.loads(line))}
        except Exception as e:  # an answer like any other: the test decides
            text = f'{type(e).__name__}: {e}'
            causes = [line[:1000] for line in text[2000:].split('\n') if line.startswith('Caused by')]
            out = {'error': '\n'.join([text[:2000], *causes])}
        print(json.dumps(out), file=answers, flush=True)


def serve_connection(spark, connection):
    """A session of its own on the JVM that all share: settings made with SQL concern it alone."""
    with connection, connection.makefile('r') as requests, connection.makefile('w') as answers:
        own = spark.newSession()
        print(json.dumps({'ok': own.version}), file=answers, flush=True)
        try:
            serve(own, requests, answers)
        except BrokenPipeError:
            return


def alive(owner):
    try:
        os.kill(owner, 0)
    except ProcessLookupError:
        return False
    return True


def listen(spark, path, owner):
    """Serves connections until whoever started this takes the socket away, or is no more."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(path + '.new')
    server.listen()
    server.settimeout(1)
    os.rename(path + '.new', path)
    while os.path.exists(path) and alive(owner):
        try:
            connection, _ = server.accept()
        except TimeoutError:
            continue
        connection.settimeout(None)
        threading.Thread(target=serve_connection, args=(spark, connection), daemon=True).start()


def main():
    # What the JVM prints on its standard output must not mix with the answers.
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    spark = session(sys.argv[1])
    if len(sys.argv) > 2:
        listen(spark, sys.argv[2], int(sys.argv[3]))
    else:
        print(json.dumps({'ok': spark.version}), file=answers, flush=True)
        serve(spark, sys.stdin, answers)
    spark.stop()


main()
