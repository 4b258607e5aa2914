"""The tables that record_hudi.py makes. Names begin with the table version; V says which Hudi release writes it."""
from record_hudi import COW, KEYGEN, M, MOR, PAYLOAD, PLAIN, Table

V = {'v6': '0.15', 'v8': '1.0', 'v9': '1.2'}
TABLES = []


def table(name, kind, **how):
    t = Table(name, V[name[:2]], kind, **how)
    TABLES.append(t)
    return t


# Table version 8, written by Hudi 1.0.
table('v8_cow_part', COW).upsert('1us:a 2eu:b 3us:c 4ap:d 5eu:e').upsert('1us:a2@2000 6ap:f@2000').delete('3us:c').upsert('3us:again@3000 7eu:g@3000')
table('v8_cow_event_time', COW, partition='').upsert('1:a 2:b 3:c').upsert('1:late@500 2:tie@1000 3:newer@1100 4:d').delete('2:b').upsert('2:back@500')
(table('v8_cow_clean_archive', COW)
 .set(hoodie__clean__automatic='true', hoodie__clean__commits__retained='1', hoodie__cleaner__commits__retained='1', hoodie__archive__automatic='true',
      hoodie__keep__min__commits='2', hoodie__keep__max__commits='3', hoodie__commits__archival__batch='1')
 .upsert('1us:a 2eu:b 3us:c').upsert('1us:a2@2000').upsert('2eu:b2@2000').upsert('1us:a3@3000').upsert('4us:d@3000').upsert('1us:a4@4000').upsert('5ap:e@4000'))
(table('v8_cow_clustering_done', COW).write('insert', '1us:a 2eu:b 3us:c').write('insert', '4us:d 5eu:e', {'hoodie.parquet.small.file.limit': '0'})
 .service('run_clustering', op='scheduleAndExecute').upsert('1us:a2@2000'))
table('v8_cow_insert_overwrite', COW).upsert('1us:a 2eu:b 3us:c').write('insert_overwrite', '6us:f').write('insert_overwrite_table', '7ap:g').upsert('7ap:g2@2000')
table('v8_cow_cdc', COW, hoodie__table__cdc__enabled='true').upsert('1us:a 2eu:b 3us:c').upsert('1us:a2@2000 4us:d@2000').delete('2eu:b')
table('v8_mor_part_logs', MOR).upsert('1us:a 2eu:b 3us:c 4ap:d').upsert('1us:a2@2000 5us:e@2000').delete('2eu:b').upsert('1us:a3@3000')
(table('v8_mor_part_compacted_then_upsert', MOR).upsert('1us:a 2eu:b 3us:c 4ap:d').upsert('1us:a2@2000 2eu:b2@2000').upsert('1us:a3@3000').compact()
 .upsert('1us:a4@4000 6eu:f@4000').delete('4ap:d'))
(table('v8_mor_compaction_requested_then_upsert', MOR).upsert('1us:a 2eu:b 3us:c').upsert('1us:a2@2000').service('run_compaction', op='schedule')
 .upsert('1us:a3@3000 2eu:b2@3000'))
(table('v8_mor_compaction_run_after_upsert', MOR).upsert('1us:a 2eu:b 3us:c').upsert('1us:a2@2000').service('run_compaction', op='schedule')
 .upsert('1us:a3@3000 3us:c2@3000').service('run_compaction', op='run').upsert('3us:c3@4000'))
table('v8_mor_event_time', MOR, partition='').upsert('1:a 2:b 3:c').upsert('1:late@500 2:tie@1000 3:newer@1100 4:d').delete('2:b').upsert('2:back@500')
table('v8_mor_commit_time', MOR, partition='', hoodie__record__merge__mode='COMMIT_TIME_ORDERING').upsert('1:a 2:b').upsert('1:late@500').delete('2:b').upsert('2:back@500')
table('v8_mor_pqblk', MOR, partition='', hoodie__logfile__data__block__format='parquet').upsert('1:a 2:b 3:c').upsert('1:a2@2000').upsert('3:c2@2000 1:late@500')
(table('v8_mor_clean_archive', MOR)
 .set(hoodie__clean__automatic='true', hoodie__clean__commits__retained='1', hoodie__cleaner__commits__retained='1', hoodie__archive__automatic='true',
      hoodie__keep__min__commits='2', hoodie__keep__max__commits='3', hoodie__commits__archival__batch='1', hoodie__compact__inline='true',
      hoodie__compact__inline__max__delta__commits='2')
 .upsert('1us:a 2eu:b 3us:c').upsert('1us:a2@2000').upsert('2eu:b2@2000').upsert('1us:a3@3000').upsert('4us:d@3000').upsert('1us:a4@4000').upsert('5ap:e@4000'))
table('v8_mor_cdc', MOR, hoodie__table__cdc__enabled='true').upsert('1us:a 2eu:b 3us:c').upsert('1us:a2@2000 4us:d@2000').delete('2eu:b')

# Key generators and partition paths, by each release.
for v in ('v6', 'v8', 'v9'):
    one = table(f'{v}_cow_complex_one_key', COW, generator='ComplexKeyGenerator')
    one.upsert('1us:a 2eu:b').upsert('1us:a2@2000 3us:c@2000')
    if v == 'v8':
        continue
    for kind, word in ((COW, 'cow'), (MOR, 'mor')):
        hive = 'true' if word == 'cow' else 'false'
        (table(f'{v}_{word}_two_partitions', kind, partition='region,day', generator='ComplexKeyGenerator', key='id,qty',
               hoodie__datasource__write__hive_style_partitioning=hive)
         .upsert('1us:a 2eu:b 3us:c').upsert('1us:a2@2000 4ap:d@2000').delete('2eu:b').upsert('3us:c2@3000'))
        (table(f'{v}_{word}_epoch_partitions', kind, partition='ts', ordering='qty', generator='TimestampBasedKeyGenerator')
         .with_options({'hoodie.keygen.timebased.timestamp.type': 'EPOCHMILLISECONDS', 'hoodie.keygen.timebased.output.dateformat': 'yyyy/MM/dd',
                        'hoodie.keygen.timebased.timezone': 'UTC'})
         .upsert('1us:a@1735689600000 2eu:b@1735776000000').upsert('1us:a2@1735689600000 3us:c@1738454400000'))
        (table(f'{v}_{word}_custom_partitions', kind, partition='region:SIMPLE,ts:TIMESTAMP', ordering='qty', generator='CustomKeyGenerator')
         .with_options({'hoodie.keygen.timebased.timestamp.type': 'EPOCHMILLISECONDS', 'hoodie.keygen.timebased.output.dateformat': 'yyyy-MM',
                        'hoodie.keygen.timebased.timezone': 'UTC'})
         .upsert('1us:a@1735689600000 2eu:b@1735776000000').upsert('1us:a2@1735689600000 3us:c@1738454400000'))
        (table(f'{v}_{word}_no_meta', kind, partition='region', hoodie__populate__meta__fields='false')
         .upsert('1us:a 2eu:b 3us:c').upsert('1us:a2@2000 4eu:d@2000').delete('2eu:b').upsert('3us:late@500'))
    (table(f'{v}_cow_string_dates', COW, schema=PLAIN + ', on string', partition='on', generator='TimestampBasedKeyGenerator')
     .with_options({'hoodie.keygen.timebased.timestamp.type': 'DATE_STRING', 'hoodie.keygen.timebased.input.dateformat': 'yyyy-MM-dd HH:mm:ss',
                    'hoodie.keygen.timebased.output.dateformat': 'yyyy/MM', 'hoodie.keygen.timebased.timezone': 'UTC'})
     .upsert([{'id': 'a', 'name': 'x', 'ts': 1, 'on': '2025-01-05 10:00:00'}, {'id': 'b', 'name': 'y', 'ts': 1, 'on': '2025-02-05 10:00:00'}])
     .upsert([{'id': 'a', 'name': 'x2', 'ts': 2, 'on': '2025-01-05 10:00:00'}]))
    (table(f'{v}_cow_day_partitions', COW, partition='day').upsert('1us:a 2eu:b').upsert('1us:a2@2000'))
    (table(f'{v}_cow_at_partitions', COW, partition='at').upsert('1us:a 2eu:b').upsert('1us:a2@1000'))

# Structs, arrays and maps.
NESTED = ('id string, p struct<x:int,y:string,z:struct<d:decimal(10,2),at:timestamp>>, tags array<string>, parts array<struct<k:string,n:bigint>>, '
          'm map<string,int>, ms map<string,struct<a:int>>, aa array<array<int>>, ts bigint')


def nested(n, ts, small=False):
    if small:
        return {'id': f'k{n}', 'p': None, 'tags': None, 'parts': [], 'm': {}, 'ms': None, 'aa': None, 'ts': ts}
    return {'id': f'k{n}', 'p': {'x': n, 'y': f'y{n}', 'z': {'d': f'{n}.50', 'at': '2025-01-01T00:00:00Z'} if n % 2 else None}, 'tags': ['a', f't{n}'],
            'parts': [{'k': 'p', 'n': n}, {'k': None, 'n': None}], 'm': {'one': 1, f'n{n}': n}, 'ms': {'q': {'a': n}}, 'aa': [[1, n], []], 'ts': ts}


for v in ('v6', 'v9'):
    for word, kind, block in (('cow', COW, 'avro'), ('mor', MOR, 'avro'), ('mor_pq', MOR, 'parquet')):
        (table(f'{v}_{word}_nested', kind, schema=NESTED, partition='', hoodie__logfile__data__block__format=block)
         .upsert([nested(1, 1), nested(2, 1), nested(3, 1, True)]).upsert([nested(3, 2), nested(1, 2, True), nested(4, 2)]).delete([nested(2, 3)]))

# Payload classes.
VALUES = 'id string, name string, qty int, price double, note string, ok boolean, ts bigint'


def values(id, ts, **fields):
    return {'id': id, 'ts': ts, **fields}


ALL = dict(name='n', qty=1, price=1.5, note='x', ok=True)
for v in ('v6', 'v8', 'v9'):
    for word, payload in (('nondefaults', 'OverwriteNonDefaultsWithLatestAvroPayload'), ('partial', 'PartialUpdateAvroPayload'),
                          ('latest', 'OverwriteWithLatestAvroPayload'), ('event', 'EventTimeAvroPayload')):
        for kind, form in ((MOR, 'mor'), (COW, 'cow')):
            t = table(f'{v}_{form}_payload_{word}', kind, schema=VALUES, partition='').with_options({PAYLOAD: M + payload})
            t.upsert([values(k, 10, **ALL) for k in ('a', 'b', 'c', 'd', 'e')])
            t.upsert([values('a', 20, name='n2'), values('b', 5, name='late', qty=7), values('c', 10, note='tie'), values('f', 10, name='new')])
            t.upsert([values('a', 30, qty=9), values('b', 30, price=2.5, ok=False), values('c', 5, name='late2', price=9.0), values('f', 20, qty=4), values('f2', 1, **ALL)])
            t.delete([values('d', 40)])
            t.upsert([values('d', 1, name='back'), values('a', 15, note='between'), values('f', 5, price=7.5, note='fill')])
    base = 'id string, name string, doc string, qty int, _change_operation_type string, '
    PG, MY = base + '_event_lsn bigint', base + '_event_bin_file string, _event_pos bigint, _event_seq string'

    def pg(id, op, lsn, **f):
        return {'id': id, '_change_operation_type': op, '_event_lsn': lsn, **f}

    def my(id, op, file, pos, **f):
        return {'id': id, '_change_operation_type': op, '_event_bin_file': f'mysql-bin.{file:06d}', '_event_pos': pos, '_event_seq': f'{file:06d}.{pos}', **f}

    # All of these stay in logs: a write that inserts too would rewrite the base file.
    for word, payload in (('nondefaults', 'OverwriteNonDefaultsWithLatestAvroPayload'), ('partial', 'PartialUpdateAvroPayload'),
                          ('latest', 'OverwriteWithLatestAvroPayload'), ('event', 'EventTimeAvroPayload')):
        t = table(f'{v}_mor_logs_{word}', MOR, schema=VALUES, partition='').with_options({PAYLOAD: M + payload})
        t.upsert([values(k, 10, **ALL) for k in ('a', 'b', 'd', 'e')] + [values('c', 10, name='c'), values('g', 10, name='g')])
        t.upsert([values('a', 20, name='n2'), values('b', 5, name='late', qty=7), values('c', 5, note='fill', price=7.5), values('d', 20, qty=2),
                  values('e', 30, name='e3'), values('g', 30, note='g3')])
        t.upsert([values('a', 15, name='n15', note='between'), values('b', 30, price=2.5), values('c', 20, qty=4), values('e', 20, name='e2', note='e2n'),
                  values('g', 20, note='g2', qty=2)])
        if v != 'v8':  # which fails to read what it writes then
            t.delete([values('d', 40)])
        t.upsert([values('d', 1, name='back'), values('a', 10, note='tie', ok=False)])
    for kind, form in ((MOR, 'mor'), (COW, 'cow')):
        (table(f'{v}_{form}_payload_postgres', kind, schema=PG, partition='', ordering='_event_lsn')
         .with_options({PAYLOAD: M + 'debezium.PostgresDebeziumAvroPayload'})
         .upsert([pg('a', 'c', 10, name='n', doc='long', qty=1), pg('b', 'c', 11, name='m', doc='long2', qty=2), pg('c', 'r', 12, name='o', doc='d3', qty=3)])
         .upsert([pg('a', 'u', 20, name='n2', doc='__debezium_unavailable_value', qty=5), pg('b', 'd', 21, name='m'), pg('c', 'u', 5, name='late', doc='x')])
         .upsert([pg('a', 'u', 30, name='__debezium_unavailable_value', doc='__debezium_unavailable_value', qty=6), pg('b', 'c', 31, name='again', doc='z')])
         .upsert([pg('b', 'd', 40), pg('c', 'u', 12, name='tie', doc='__debezium_unavailable_value'), pg('e', 'd', 41)]))
        (table(f'{v}_{form}_payload_mysql', kind, schema=MY, partition='', ordering='_event_bin_file,_event_pos' if v == 'v9' else '_event_seq')
         .with_options({PAYLOAD: M + 'debezium.MySqlDebeziumAvroPayload'})
         .upsert([my('a', 'c', 3, 900, name='n', doc='l', qty=1), my('b', 'c', 3, 1000, name='m', doc='k', qty=2), my('c', 'r', 4, 4, name='o', doc='d3', qty=3)])
         .upsert([my('a', 'u', 3, 1100, name='later'), my('b', 'u', 3, 999, name='earlier'), my('c', 'd', 4, 5)])
         .upsert([my('a', 'u', 10, 4, name='other file'), my('b', 'd', 3, 2000), my('c', 'c', 4, 10, name='again')])
         .upsert([my('a', 'u', 9, 5000, name='older file'), my('d', 'd', 11, 1)]))
        (table(f'{v}_{form}_payload_dms', kind, schema='id string, name string, qty int, Op string, ts bigint', partition='')
         .with_options({PAYLOAD: 'org.apache.hudi.payload.AWSDmsAvroPayload' if v == 'v6' else M + 'AWSDmsAvroPayload'})
         .upsert([{'id': k, 'name': 'n', 'qty': 1, 'Op': 'I', 'ts': 10} for k in 'abc'])
         .upsert([{'id': 'a', 'name': 'n2', 'qty': 2, 'Op': 'U', 'ts': 20}, {'id': 'b', 'Op': 'D', 'ts': 20}, {'id': 'c', 'name': 'late', 'Op': 'U', 'ts': 5}])
         .upsert([{'id': 'b', 'name': 'back', 'Op': 'I', 'ts': 5}, {'id': 'c', 'Op': 'D', 'ts': 1}, {'id': 'd', 'Op': 'D', 'ts': 1}]))

# Positions of rows in the base file (Hudi 1.x), and of a base file that another has replaced since.
for v in ('v8', 'v9'):
    at = dict(partition='', hoodie__write__record__positions='true', hoodie__logfile__data__block__format='parquet')
    (table(f'{v}_mor_positions', MOR, **at).upsert('1:a 2:b 3:c 4:d 5:e 6:f 7:g 8:h').upsert('2:b2@2000 5:e2@2000').delete('7:g').upsert('2:late@1500 8:h2@3000'))
    (table(f'{v}_mor_positions_other_base', MOR, **at).upsert('1:a 2:b 3:c 4:d 5:e 6:f').upsert('2:b2@2000').service('run_compaction', op='schedule')
     .upsert('3:c2@3000 6:f2@3000').delete('1:a').service('run_compaction', op='run').upsert('4:d2@4000'))
# Rows with some of the columns only (MERGE INTO with a partial assignment).
    (table(f'{v}_mor_merge_into', MOR, partition='').upsert('1:a 2:b 3:c').upsert('1:a2@2000')
     .sql("merge into $T t using (select 'k001' id, 'm1' name, 3000L ts) s on t.id = s.id when matched then update set name = s.name, ts = s.ts")
     .sql("merge into $T t using (select 'k002' id, 77 qty, 3000L ts) s on t.id = s.id when matched then update set qty = s.qty, ts = s.ts"))
