/** Schema texts of compaction and log compaction plans, as Hudi writes them into the header of its files. */

/** Table version 6. */
export const COMPACTION_PLAN_V6 =
  '{"type":"record","name":"HoodieCompactionPlan","namespace":"org.apache.hudi.avro.model","fields":[{"name":"operations","type":["null' +
  '",{"type":"array","items":{"type":"record","name":"HoodieCompactionOperation","fields":[{"name":"baseInstantTime","type":["null",{"t' +
  'ype":"string","avro.java.string":"String"}]},{"name":"deltaFilePaths","type":["null",{"type":"array","items":{"type":"string","avro.' +
  'java.string":"String"}}],"default":null},{"name":"dataFilePath","type":["null",{"type":"string","avro.java.string":"String"}],"defau' +
  'lt":null},{"name":"fileId","type":["null",{"type":"string","avro.java.string":"String"}]},{"name":"partitionPath","type":["null",{"t' +
  'ype":"string","avro.java.string":"String"}],"default":null},{"name":"metrics","type":["null",{"type":"map","values":"double","avro.j' +
  'ava.string":"String"}],"default":null},{"name":"bootstrapFilePath","type":["null",{"type":"string","avro.java.string":"String"}],"de' +
  'fault":null}]}}],"default":null},{"name":"extraMetadata","type":["null",{"type":"map","values":{"type":"string","avro.java.string":"' +
  'String"},"avro.java.string":"String"}],"default":null},{"name":"version","type":["int","null"],"default":1},{"name":"strategy","type' +
  '":["null",{"type":"record","name":"HoodieCompactionStrategy","fields":[{"name":"compactorClassName","type":["null",{"type":"string",' +
  '"avro.java.string":"String"}],"doc":"The class name that is provided here should extend CompactionExecutionStrategy abstract class, ' +
  'idea is that the plan generator will also provide the execution strategy to use.","default":null},{"name":"strategyParams","type":["' +
  'null",{"type":"map","values":{"type":"string","avro.java.string":"String"},"avro.java.string":"String"}],"doc":"These parameters pla' +
  'y a key role in determining which action type it is i.e. compaction or logcompaction and it will also include configs that determine' +
  ' how compaction needs to be executed.","default":null},{"name":"version","type":["int","null"],"default":1}]}],"default":null},{"nam' +
  'e":"preserveHoodieMetadata","type":["boolean","null"],"default":false}]}'

/** Table versions 8 and 9. */
export const COMPACTION_PLAN_V9 =
  '{"type":"record","name":"HoodieCompactionPlan","namespace":"org.apache.hudi.avro.model","fields":[{"name":"operations","type":["null' +
  '",{"type":"array","items":{"type":"record","name":"HoodieCompactionOperation","fields":[{"name":"baseInstantTime","type":["null",{"t' +
  'ype":"string","avro.java.string":"String"}]},{"name":"deltaFilePaths","type":["null",{"type":"array","items":{"type":"string","avro.' +
  'java.string":"String"}}],"default":null},{"name":"dataFilePath","type":["null",{"type":"string","avro.java.string":"String"}],"defau' +
  'lt":null},{"name":"fileId","type":["null",{"type":"string","avro.java.string":"String"}]},{"name":"partitionPath","type":["null",{"t' +
  'ype":"string","avro.java.string":"String"}],"default":null},{"name":"metrics","type":["null",{"type":"map","values":"double","avro.j' +
  'ava.string":"String"}],"default":null},{"name":"bootstrapFilePath","type":["null",{"type":"string","avro.java.string":"String"}],"de' +
  'fault":null}]}}],"default":null},{"name":"extraMetadata","type":["null",{"type":"map","values":{"type":"string","avro.java.string":"' +
  'String"},"avro.java.string":"String"}],"default":null},{"name":"version","type":["int","null"],"default":1},{"name":"strategy","type' +
  '":["null",{"type":"record","name":"HoodieCompactionStrategy","fields":[{"name":"compactorClassName","type":["null",{"type":"string",' +
  '"avro.java.string":"String"}],"doc":"The class name that is provided here should extend CompactionExecutionStrategy abstract class, ' +
  'idea is that the plan generator will also provide the execution strategy to use.","default":null},{"name":"strategyParams","type":["' +
  'null",{"type":"map","values":{"type":"string","avro.java.string":"String"},"avro.java.string":"String"}],"doc":"These parameters pla' +
  'y a key role in determining which action type it is i.e. compaction or logcompaction and it will also include configs that determine' +
  ' how compaction needs to be executed.","default":null},{"name":"version","type":["int","null"],"default":1}]}],"default":null},{"nam' +
  'e":"preserveHoodieMetadata","type":["boolean","null"],"default":false},{"name":"missingSchedulePartitions","type":["null",{"type":"a' +
  'rray","items":{"type":"string","avro.java.string":"String"}}],"default":null}]}'
