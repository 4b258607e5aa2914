/** Schema texts of what completed writes of table versions 8 and 9 record, as Hudi writes them into the header of its files. */

/** commit, deltacommit, and the profile of their inflight files. */
export const COMMIT_METADATA =
  '{"type":"record","name":"HoodieCommitMetadata","namespace":"org.apache.hudi.avro.model","fields":[{"name":"partitionToWriteStats","t' +
  'ype":["null",{"type":"map","values":{"type":"array","items":{"type":"record","name":"HoodieWriteStat","fields":[{"name":"fileId","ty' +
  'pe":["null",{"type":"string","avro.java.string":"String"}],"default":null},{"name":"path","type":["null",{"type":"string","avro.java' +
  '.string":"String"}],"default":null},{"name":"prevCommit","type":["null",{"type":"string","avro.java.string":"String"}],"default":nul' +
  'l},{"name":"numWrites","type":["null","long"],"default":null},{"name":"numDeletes","type":["null","long"],"default":null},{"name":"n' +
  'umUpdateWrites","type":["null","long"],"default":null},{"name":"totalWriteBytes","type":["null","long"],"default":null},{"name":"tot' +
  'alWriteErrors","type":["null","long"],"default":null},{"name":"partitionPath","type":["null",{"type":"string","avro.java.string":"St' +
  'ring"}],"default":null},{"name":"totalLogRecords","type":["null","long"],"default":null},{"name":"totalLogFiles","type":["null","lon' +
  'g"],"default":null},{"name":"totalUpdatedRecordsCompacted","type":["null","long"],"default":null},{"name":"numInserts","type":["null' +
  '","long"],"default":null},{"name":"totalLogBlocks","type":["null","long"],"default":null},{"name":"totalCorruptLogBlock","type":["nu' +
  'll","long"],"default":null},{"name":"totalRollbackBlocks","type":["null","long"],"default":null},{"name":"fileSizeInBytes","type":["' +
  'null","long"],"default":null},{"name":"logVersion","type":["null","int"],"default":null},{"name":"logOffset","type":["null","long"],' +
  '"default":null},{"name":"baseFile","type":["null",{"type":"string","avro.java.string":"String"}],"default":null},{"name":"logFiles",' +
  '"type":["null",{"type":"array","items":{"type":"string","avro.java.string":"String"},"default":null}],"default":null},{"name":"cdcSt' +
  'ats","type":["null",{"type":"map","values":"long","avro.java.string":"String","default":null}],"default":null},{"name":"prevBaseFile' +
  '","type":["null",{"type":"string","avro.java.string":"String"}],"default":null},{"name":"minEventTime","type":["null","long"],"defau' +
  'lt":null},{"name":"maxEventTime","type":["null","long"],"default":null},{"name":"runtimeStats","type":["null",{"type":"record","name' +
  '":"HoodieRuntimeStats","fields":[{"name":"totalScanTime","type":["null","long"],"default":null},{"name":"totalCreateTime","type":["n' +
  'ull","long"],"default":null},{"name":"totalUpsertTime","type":["null","long"],"default":null}]}],"default":null},{"name":"totalLogFi' +
  'lesCompacted","type":["null","long"],"default":null},{"name":"totalLogReadTimeMs","type":["null","long"],"default":null},{"name":"to' +
  'talLogSizeCompacted","type":["null","long"],"default":null},{"name":"tempPath","type":["null",{"type":"string","avro.java.string":"S' +
  'tring"}],"default":null},{"name":"numUpdates","type":["null","long"],"default":null}]}},"avro.java.string":"String"}],"default":null' +
  '},{"name":"compacted","type":["null","boolean"],"default":null},{"name":"extraMetadata","type":["null",{"type":"map","values":{"type' +
  '":"string","avro.java.string":"String"},"avro.java.string":"String","default":null}],"default":null},{"name":"version","type":["int"' +
  ',"null"],"default":1},{"name":"operationType","type":["null",{"type":"string","avro.java.string":"String"}],"default":null}]}'

/** replacecommit. */
export const REPLACE_COMMIT_METADATA =
  '{"type":"record","name":"HoodieReplaceCommitMetadata","namespace":"org.apache.hudi.avro.model","fields":[{"name":"partitionToWriteSt' +
  'ats","type":["null",{"type":"map","values":{"type":"array","items":{"type":"record","name":"HoodieWriteStat","fields":[{"name":"file' +
  'Id","type":["null",{"type":"string","avro.java.string":"String"}],"default":null},{"name":"path","type":["null",{"type":"string","av' +
  'ro.java.string":"String"}],"default":null},{"name":"prevCommit","type":["null",{"type":"string","avro.java.string":"String"}],"defau' +
  'lt":null},{"name":"numWrites","type":["null","long"],"default":null},{"name":"numDeletes","type":["null","long"],"default":null},{"n' +
  'ame":"numUpdateWrites","type":["null","long"],"default":null},{"name":"totalWriteBytes","type":["null","long"],"default":null},{"nam' +
  'e":"totalWriteErrors","type":["null","long"],"default":null},{"name":"partitionPath","type":["null",{"type":"string","avro.java.stri' +
  'ng":"String"}],"default":null},{"name":"totalLogRecords","type":["null","long"],"default":null},{"name":"totalLogFiles","type":["nul' +
  'l","long"],"default":null},{"name":"totalUpdatedRecordsCompacted","type":["null","long"],"default":null},{"name":"numInserts","type"' +
  ':["null","long"],"default":null},{"name":"totalLogBlocks","type":["null","long"],"default":null},{"name":"totalCorruptLogBlock","typ' +
  'e":["null","long"],"default":null},{"name":"totalRollbackBlocks","type":["null","long"],"default":null},{"name":"fileSizeInBytes","t' +
  'ype":["null","long"],"default":null},{"name":"logVersion","type":["null","int"],"default":null},{"name":"logOffset","type":["null","' +
  'long"],"default":null},{"name":"baseFile","type":["null",{"type":"string","avro.java.string":"String"}],"default":null},{"name":"log' +
  'Files","type":["null",{"type":"array","items":{"type":"string","avro.java.string":"String"},"default":null}],"default":null},{"name"' +
  ':"cdcStats","type":["null",{"type":"map","values":"long","avro.java.string":"String","default":null}],"default":null},{"name":"prevB' +
  'aseFile","type":["null",{"type":"string","avro.java.string":"String"}],"default":null},{"name":"minEventTime","type":["null","long"]' +
  ',"default":null},{"name":"maxEventTime","type":["null","long"],"default":null},{"name":"runtimeStats","type":["null",{"type":"record' +
  '","name":"HoodieRuntimeStats","fields":[{"name":"totalScanTime","type":["null","long"],"default":null},{"name":"totalCreateTime","ty' +
  'pe":["null","long"],"default":null},{"name":"totalUpsertTime","type":["null","long"],"default":null}]}],"default":null},{"name":"tot' +
  'alLogFilesCompacted","type":["null","long"],"default":null},{"name":"totalLogReadTimeMs","type":["null","long"],"default":null},{"na' +
  'me":"totalLogSizeCompacted","type":["null","long"],"default":null},{"name":"tempPath","type":["null",{"type":"string","avro.java.str' +
  'ing":"String"}],"default":null},{"name":"numUpdates","type":["null","long"],"default":null}]}},"avro.java.string":"String"}],"defaul' +
  't":null},{"name":"compacted","type":["null","boolean"],"default":null},{"name":"extraMetadata","type":["null",{"type":"map","values"' +
  ':{"type":"string","avro.java.string":"String"},"avro.java.string":"String"}],"default":null},{"name":"version","type":["int","null"]' +
  ',"default":1},{"name":"operationType","type":["null",{"type":"string","avro.java.string":"String"}],"default":null},{"name":"partiti' +
  'onToReplaceFileIds","type":["null",{"type":"map","values":{"type":"array","items":{"type":"string","avro.java.string":"String"}},"av' +
  'ro.java.string":"String"}],"default":null}]}'
