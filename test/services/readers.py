"""Readers that share no code with ours, each printing rows as one JSON array (encoding as in spark_hudi.py).

With s3:// in front of a path: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION; for hudi-rs also AWS_ALLOW_HTTP; for DuckDB
also DUCKDB_HTTPFS, the file of its extension.

  hudi-rs TABLE [--at INSTANT] [--begin T [--end T]] [--meta]
  pyarrow FILE...            duckdb FILE...
  export TABLE[@INSTANT]=FILE...   snapshots as hudi-rs reads them, each into a Parquet file
  slices TABLE...            file slices as hudi-rs finds them, one list per table: {base, logs}, paths inside the table
  schema FILE                the Parquet columns as pyarrow sees them: {name: {physical, logical, repetition...}}
"""
import argparse
import datetime
import decimal
import json
import math
import os
import sys

META = ['_hoodie_commit_time', '_hoodie_commit_seqno', '_hoodie_record_key', '_hoodie_partition_path', '_hoodie_file_name']
UTC = datetime.timezone.utc


def printable(x):
    if isinstance(x, decimal.Decimal):
        return format(x, 'f')
    if isinstance(x, datetime.datetime):
        return (x.astimezone(UTC).replace(tzinfo=None) if x.tzinfo else x).isoformat(timespec='microseconds')
    if isinstance(x, (datetime.date, datetime.time)):
        return x.isoformat()
    if isinstance(x, bytes):
        return 'hex:' + x.hex()
    if isinstance(x, float) and not math.isfinite(x):
        return str(x)
    if isinstance(x, dict):
        return {str(k): printable(v) for k, v in x.items()}
    if isinstance(x, list):
        return [printable(v) for v in x]
    return x


def listed(records, meta):
    return [{k: printable(v) for k, v in r.items() if meta or k not in META} for r in records]


def hudi_rs(o):
    from hudi import HudiQueryType, HudiReadOptions, HudiTableBuilder
    table, options = HudiTableBuilder.from_base_uri(o.paths[0]).build(), HudiReadOptions()
    if o.at:
        options = options.with_as_of_timestamp(o.at)
    if o.begin is not None:
        options = options.with_query_type(HudiQueryType.Incremental).with_start_timestamp(o.begin)
        if o.end:
            options = options.with_end_timestamp(o.end)
    return [r for batch in table.read(options) for r in listed(batch.to_pylist(), o.meta)]


def export(o):
    import pyarrow as pa
    import pyarrow.parquet as pq
    from hudi import HudiReadOptions, HudiTableBuilder
    for job in o.paths:
        source, file = job.rsplit('=', 1)
        path, _, at = source.partition('@')
        table, options = HudiTableBuilder.from_base_uri(path).build(), HudiReadOptions()
        batches = table.read(options.with_as_of_timestamp(at) if at else options)
        pq.write_table(pa.Table.from_batches(batches) if batches else pa.Table.from_batches([], schema=table.get_schema()), file)
    return []


def slices(o):
    from hudi import HudiReadOptions, HudiTableBuilder
    options = HudiReadOptions()
    if o.at:
        options = options.with_as_of_timestamp(o.at)

    def answer(path):
        try:
            found = HudiTableBuilder.from_base_uri(path).build().get_file_slices(options)
        except Exception as e:
            return {'refused': str(e)}
        return [{'base': s.base_file_relative_path(), 'logs': s.log_files_relative_paths()} for s in found]
    return [answer(p) for p in o.paths]


def pyarrow_rows(o):
    import pyarrow.parquet as pq
    files = [pyarrow_file(p) if p.startswith('s3://') else p for p in o.paths]
    return [r for f in files for r in listed(pq.ParquetFile(f).read().to_pylist(), o.meta)]


def pyarrow_file(uri):
    from pyarrow.fs import S3FileSystem
    s3 = S3FileSystem(endpoint_override=os.environ['AWS_ENDPOINT_URL'], region=os.environ['AWS_REGION'])
    return s3.open_input_file(uri.removeprefix('s3://'))


def duckdb_rows(o):
    import duckdb
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    if any(p.startswith('s3://') for p in o.paths):
        duckdb_s3(connection)
    cursor = connection.execute('SELECT * FROM read_parquet(?)', [o.paths])
    names = [d[0] for d in cursor.description]
    return listed((dict(zip(names, r)) for r in cursor.fetchall()), o.meta)


def duckdb_s3(connection):
    endpoint = os.environ['AWS_ENDPOINT_URL'].split('://')
    given = {'KEY_ID': os.environ['AWS_ACCESS_KEY_ID'], 'SECRET': os.environ['AWS_SECRET_ACCESS_KEY'], 'REGION': os.environ['AWS_REGION'],
             'ENDPOINT': endpoint[1], 'URL_STYLE': 'path', 'USE_SSL': str(endpoint[0] == 'https')}
    connection.execute(f"LOAD '{os.environ['DUCKDB_HTTPFS']}'")
    connection.execute('CREATE SECRET (TYPE s3, ' + ', '.join(f"{k} '{v}'" for k, v in given.items()) + ')')


def schema(o):
    import pyarrow.parquet as pq
    s = pq.ParquetFile(o.paths[0]).schema
    columns = (s.column(i) for i in range(len(s.names)))
    return {c.path: {'physical': c.physical_type, 'logical': str(c.logical_type), 'length': c.length,
                     'definition': c.max_definition_level, 'repetition': c.max_repetition_level} for c in columns}


def main():
    commands = {'hudi-rs': hudi_rs, 'pyarrow': pyarrow_rows, 'duckdb': duckdb_rows, 'schema': schema, 'slices': slices, 'export': export}
    p = argparse.ArgumentParser()
    p.add_argument('command', choices=list(commands))
    p.add_argument('paths', nargs='+')
    p.add_argument('--at')
    p.add_argument('--begin')
    p.add_argument('--end')
    p.add_argument('--meta', action='store_true')
    o = p.parse_args()
    json.dump(commands[o.command](o), sys.stdout)


main()
