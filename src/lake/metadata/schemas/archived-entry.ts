/** Schema text of an entry of an archived timeline (table versions up to 7), as Hudi writes it into the header of each block. */
export const ARCHIVED_ENTRY =
  '{"type":"record","name":"HoodieArchivedMetaEntry","namespace":"org.apache.hudi.avro.model","fields":[{"name":"hoodieCommitMeta' +
  'data","type":["null",{"type":"record","name":"HoodieCommitMetadata","fields":[{"name":"partitionToWriteStats","type":["null",{' +
  '"type":"map","values":{"type":"array","items":{"type":"record","name":"HoodieWriteStat","fields":[{"name":"fileId","type":["nu' +
  'll",{"type":"string","avro.java.string":"String"}],"default":null},{"name":"path","type":["null",{"type":"string","avro.java.s' +
  'tring":"String"}],"default":null},{"name":"prevCommit","type":["null",{"type":"string","avro.java.string":"String"}],"default"' +
  ':null},{"name":"numWrites","type":["null","long"],"default":null},{"name":"numDeletes","type":["null","long"],"default":null},' +
  '{"name":"numUpdateWrites","type":["null","long"],"default":null},{"name":"totalWriteBytes","type":["null","long"],"default":nu' +
  'll},{"name":"totalWriteErrors","type":["null","long"],"default":null},{"name":"partitionPath","type":["null",{"type":"string",' +
  '"avro.java.string":"String"}],"default":null},{"name":"totalLogRecords","type":["null","long"],"default":null},{"name":"totalL' +
  'ogFiles","type":["null","long"],"default":null},{"name":"totalUpdatedRecordsCompacted","type":["null","long"],"default":null},' +
  '{"name":"numInserts","type":["null","long"],"default":null},{"name":"totalLogBlocks","type":["null","long"],"default":null},{"' +
  'name":"totalCorruptLogBlock","type":["null","long"],"default":null},{"name":"totalRollbackBlocks","type":["null","long"],"defa' +
  'ult":null},{"name":"fileSizeInBytes","type":["null","long"],"default":null}]}},"avro.java.string":"String"}],"default":null},{' +
  '"name":"extraMetadata","type":["null",{"type":"map","values":{"type":"string","avro.java.string":"String"},"avro.java.string":' +
  '"String","default":null}],"default":null},{"name":"version","type":["int","null"],"default":1},{"name":"operationType","type":' +
  '["null",{"type":"string","avro.java.string":"String"}],"default":null}]}],"default":null},{"name":"hoodieCleanMetadata","type"' +
  ':["null",{"type":"record","name":"HoodieCleanMetadata","fields":[{"name":"startCleanTime","type":{"type":"string","avro.java.s' +
  'tring":"String"}},{"name":"timeTakenInMillis","type":"long"},{"name":"totalFilesDeleted","type":"int"},{"name":"earliestCommit' +
  'ToRetain","type":{"type":"string","avro.java.string":"String"}},{"name":"lastCompletedCommitTimestamp","type":{"type":"string"' +
  ',"avro.java.string":"String"},"default":""},{"name":"partitionMetadata","type":{"type":"map","values":{"type":"record","name":' +
  '"HoodieCleanPartitionMetadata","fields":[{"name":"partitionPath","type":{"type":"string","avro.java.string":"String"}},{"name"' +
  ':"policy","type":{"type":"string","avro.java.string":"String"}},{"name":"deletePathPatterns","type":{"type":"array","items":{"' +
  'type":"string","avro.java.string":"String"}}},{"name":"successDeleteFiles","type":{"type":"array","items":{"type":"string","av' +
  'ro.java.string":"String"}}},{"name":"failedDeleteFiles","type":{"type":"array","items":{"type":"string","avro.java.string":"St' +
  'ring"}}},{"name":"isPartitionDeleted","type":["null","boolean"],"default":null}]},"avro.java.string":"String"}},{"name":"versi' +
  'on","type":["int","null"],"default":1},{"name":"bootstrapPartitionMetadata","type":["null",{"type":"map","values":"HoodieClean' +
  'PartitionMetadata","avro.java.string":"String","default":null}],"default":null},{"name":"extraMetadata","type":["null",{"type"' +
  ':"map","values":{"type":"string","avro.java.string":"String"},"avro.java.string":"String","default":null}],"default":null}]}],' +
  '"default":null},{"name":"hoodieCompactionMetadata","type":["null",{"type":"record","name":"HoodieCompactionMetadata","fields":' +
  '[{"name":"partitionToCompactionWriteStats","type":["null",{"type":"map","values":{"type":"array","items":{"type":"record","nam' +
  'e":"HoodieCompactionWriteStat","fields":[{"name":"partitionPath","type":["null",{"type":"string","avro.java.string":"String"}]' +
  ',"default":null},{"name":"totalLogRecords","type":["null","long"],"default":null},{"name":"totalLogFiles","type":["null","long' +
  '"],"default":null},{"name":"totalUpdatedRecordsCompacted","type":["null","long"],"default":null},{"name":"hoodieWriteStat","ty' +
  'pe":["null","HoodieWriteStat"],"default":null}]}},"avro.java.string":"String"}]}]}],"default":null},{"name":"hoodieRollbackMet' +
  'adata","type":["null",{"type":"record","name":"HoodieRollbackMetadata","fields":[{"name":"startRollbackTime","type":{"type":"s' +
  'tring","avro.java.string":"String"}},{"name":"timeTakenInMillis","type":"long"},{"name":"totalFilesDeleted","type":"int"},{"na' +
  'me":"commitsRollback","type":{"type":"array","items":{"type":"string","avro.java.string":"String"}}},{"name":"partitionMetadat' +
  'a","type":{"type":"map","values":{"type":"record","name":"HoodieRollbackPartitionMetadata","fields":[{"name":"partitionPath","' +
  'type":{"type":"string","avro.java.string":"String"}},{"name":"successDeleteFiles","type":{"type":"array","items":{"type":"stri' +
  'ng","avro.java.string":"String"}}},{"name":"failedDeleteFiles","type":{"type":"array","items":{"type":"string","avro.java.stri' +
  'ng":"String"}}},{"name":"rollbackLogFiles","type":["null",{"type":"map","values":"long","avro.java.string":"String"}],"default' +
  '":null},{"name":"logFilesFromFailedCommit","type":["null",{"type":"map","values":"long","avro.java.string":"String"}],"default' +
  '":null}]},"avro.java.string":"String"}},{"name":"version","type":["int","null"],"default":1},{"name":"instantsRollback","type"' +
  ':{"type":"array","items":{"type":"record","name":"HoodieInstantInfo","fields":[{"name":"commitTime","type":{"type":"string","a' +
  'vro.java.string":"String"}},{"name":"action","type":{"type":"string","avro.java.string":"String"}}]},"default":[]},"default":[' +
  ']}]}],"default":null},{"name":"hoodieSavePointMetadata","type":["null",{"type":"record","name":"HoodieSavepointMetadata","fiel' +
  'ds":[{"name":"savepointedBy","type":{"type":"string","avro.java.string":"String"}},{"name":"savepointedAt","type":"long"},{"na' +
  'me":"comments","type":{"type":"string","avro.java.string":"String"}},{"name":"partitionMetadata","type":{"type":"map","values"' +
  ':{"type":"record","name":"HoodieSavepointPartitionMetadata","fields":[{"name":"partitionPath","type":{"type":"string","avro.ja' +
  'va.string":"String"}},{"name":"savepointDataFile","type":{"type":"array","items":{"type":"string","avro.java.string":"String"}' +
  '}}]},"avro.java.string":"String"}},{"name":"version","type":["int","null"],"default":1}]}],"default":null},{"name":"commitTime' +
  '","type":["null",{"type":"string","avro.java.string":"String"}],"default":null},{"name":"actionType","type":["null",{"type":"s' +
  'tring","avro.java.string":"String"}],"default":null},{"name":"version","type":["int","null"],"default":1},{"name":"hoodieCompa' +
  'ctionPlan","type":["null",{"type":"record","name":"HoodieCompactionPlan","fields":[{"name":"operations","type":["null",{"type"' +
  ':"array","items":{"type":"record","name":"HoodieCompactionOperation","fields":[{"name":"baseInstantTime","type":["null",{"type' +
  '":"string","avro.java.string":"String"}]},{"name":"deltaFilePaths","type":["null",{"type":"array","items":{"type":"string","av' +
  'ro.java.string":"String"}}],"default":null},{"name":"dataFilePath","type":["null",{"type":"string","avro.java.string":"String"' +
  '}],"default":null},{"name":"fileId","type":["null",{"type":"string","avro.java.string":"String"}]},{"name":"partitionPath","ty' +
  'pe":["null",{"type":"string","avro.java.string":"String"}],"default":null},{"name":"metrics","type":["null",{"type":"map","val' +
  'ues":"double","avro.java.string":"String"}],"default":null},{"name":"bootstrapFilePath","type":["null",{"type":"string","avro.' +
  'java.string":"String"}],"default":null}]}}],"default":null},{"name":"extraMetadata","type":["null",{"type":"map","values":{"ty' +
  'pe":"string","avro.java.string":"String"},"avro.java.string":"String"}],"default":null},{"name":"version","type":["int","null"' +
  '],"default":1},{"name":"strategy","type":["null",{"type":"record","name":"HoodieCompactionStrategy","fields":[{"name":"compact' +
  'orClassName","type":["null",{"type":"string","avro.java.string":"String"}],"doc":"The class name that is provided here should ' +
  'extend CompactionExecutionStrategy abstract class, idea is that the plan generator will also provide the execution strategy to' +
  ' use.","default":null},{"name":"strategyParams","type":["null",{"type":"map","values":{"type":"string","avro.java.string":"Str' +
  'ing"},"avro.java.string":"String"}],"doc":"These parameters play a key role in determining which action type it is i.e. compac' +
  'tion or logcompaction and it will also include configs that determine how compaction needs to be executed.","default":null},{"' +
  'name":"version","type":["int","null"],"default":1}]}],"default":null},{"name":"preserveHoodieMetadata","type":["boolean","null' +
  '"],"default":false}]}],"default":null},{"name":"hoodieCleanerPlan","type":["null",{"type":"record","name":"HoodieCleanerPlan",' +
  '"fields":[{"name":"earliestInstantToRetain","type":["null",{"type":"record","name":"HoodieActionInstant","fields":[{"name":"ti' +
  'mestamp","type":{"type":"string","avro.java.string":"String"}},{"name":"action","type":{"type":"string","avro.java.string":"St' +
  'ring"}},{"name":"state","type":{"type":"string","avro.java.string":"String"}}]}],"default":null},{"name":"lastCompletedCommitT' +
  'imestamp","type":{"type":"string","avro.java.string":"String"},"default":""},{"name":"policy","type":{"type":"string","avro.ja' +
  'va.string":"String"}},{"name":"filesToBeDeletedPerPartition","type":["null",{"type":"map","values":{"type":"array","items":{"t' +
  'ype":"string","avro.java.string":"String"}},"avro.java.string":"String"}],"default":null},{"name":"version","type":["int","nul' +
  'l"],"default":1},{"name":"filePathsToBeDeletedPerPartition","type":["null",{"type":"map","values":{"type":"array","items":{"ty' +
  'pe":"record","name":"HoodieCleanFileInfo","fields":[{"name":"filePath","type":["null",{"type":"string","avro.java.string":"Str' +
  'ing"}],"default":null},{"name":"isBootstrapBaseFile","type":["null","boolean"],"default":null}]}},"avro.java.string":"String"}' +
  '],"doc":"This field replaces the field filesToBeDeletedPerPartition","default":null},{"name":"partitionsToBeDeleted","type":["' +
  'null",{"type":"array","items":{"type":"string","avro.java.string":"String"}}],"doc":"partitions to be deleted","default":null}' +
  ',{"name":"extraMetadata","type":["null",{"type":"map","values":{"type":"string","avro.java.string":"String"},"avro.java.string' +
  '":"String","default":null}],"default":null}]}],"default":null},{"name":"actionState","type":["null",{"type":"string","avro.jav' +
  'a.string":"String"}],"default":null},{"name":"hoodieReplaceCommitMetadata","type":["null",{"type":"record","name":"HoodieRepla' +
  'ceCommitMetadata","fields":[{"name":"partitionToWriteStats","type":["null",{"type":"map","values":{"type":"array","items":"Hoo' +
  'dieWriteStat"},"avro.java.string":"String"}],"default":null},{"name":"extraMetadata","type":["null",{"type":"map","values":{"t' +
  'ype":"string","avro.java.string":"String"},"avro.java.string":"String"}],"default":null},{"name":"version","type":["int","null' +
  '"],"default":1},{"name":"operationType","type":["null",{"type":"string","avro.java.string":"String"}],"default":null},{"name":' +
  '"partitionToReplaceFileIds","type":["null",{"type":"map","values":{"type":"array","items":{"type":"string","avro.java.string":' +
  '"String"}},"avro.java.string":"String"}],"default":null}]}],"default":null},{"name":"hoodieRequestedReplaceMetadata","type":["' +
  'null",{"type":"record","name":"HoodieRequestedReplaceMetadata","fields":[{"name":"operationType","type":["null",{"type":"strin' +
  'g","avro.java.string":"String"}],"default":null},{"name":"clusteringPlan","type":["null",{"type":"record","name":"HoodieCluste' +
  'ringPlan","fields":[{"name":"inputGroups","type":["null",{"type":"array","items":{"type":"record","name":"HoodieClusteringGrou' +
  'p","fields":[{"name":"slices","type":["null",{"type":"array","items":{"type":"record","name":"HoodieSliceInfo","fields":[{"nam' +
  'e":"dataFilePath","type":["null",{"type":"string","avro.java.string":"String"}],"default":null},{"name":"deltaFilePaths","type' +
  '":["null",{"type":"array","items":{"type":"string","avro.java.string":"String"}}],"default":null},{"name":"fileId","type":["nu' +
  'll",{"type":"string","avro.java.string":"String"}]},{"name":"partitionPath","type":["null",{"type":"string","avro.java.string"' +
  ':"String"}],"default":null},{"name":"bootstrapFilePath","type":["null",{"type":"string","avro.java.string":"String"}],"default' +
  '":null},{"name":"version","type":["int","null"],"default":1}]}}],"default":null},{"name":"metrics","type":["null",{"type":"map' +
  '","values":"double","avro.java.string":"String"}],"default":null},{"name":"numOutputFileGroups","type":["int","null"],"default' +
  '":1},{"name":"extraMetadata","type":["null",{"type":"map","values":{"type":"string","avro.java.string":"String"},"avro.java.st' +
  'ring":"String"}],"default":null},{"name":"version","type":["int","null"],"default":1}]}}],"default":null},{"name":"strategy","' +
  'type":["null",{"type":"record","name":"HoodieClusteringStrategy","fields":[{"name":"strategyClassName","type":["null",{"type":' +
  '"string","avro.java.string":"String"}],"default":null},{"name":"strategyParams","type":["null",{"type":"map","values":{"type":' +
  '"string","avro.java.string":"String"},"avro.java.string":"String"}],"default":null},{"name":"version","type":["int","null"],"d' +
  'efault":1}]}],"default":null},{"name":"extraMetadata","type":["null",{"type":"map","values":{"type":"string","avro.java.string' +
  '":"String"},"avro.java.string":"String"}],"default":null},{"name":"version","type":["int","null"],"default":1},{"name":"preser' +
  'veHoodieMetadata","type":["null","boolean"],"default":null}]}],"default":null},{"name":"extraMetadata","type":["null",{"type":' +
  '"map","values":{"type":"string","avro.java.string":"String"},"avro.java.string":"String"}],"default":null},{"name":"version","' +
  'type":["int","null"],"default":1}]}],"default":null},{"name":"HoodieInflightReplaceMetadata","type":["null","HoodieCommitMetad' +
  'ata"],"default":null},{"name":"hoodieIndexCommitMetadata","type":["null",{"type":"record","name":"HoodieIndexCommitMetadata","' +
  'fields":[{"name":"version","type":["int","null"],"doc":"This field replaces the field filesToBeDeletedPerPartition","default":' +
  '1},{"name":"operationType","type":["null",{"type":"string","avro.java.string":"String"}],"doc":"This field replaces the field ' +
  'filesToBeDeletedPerPartition","default":null},{"name":"indexPartitionInfos","type":["null",{"type":"array","items":{"type":"re' +
  'cord","name":"HoodieIndexPartitionInfo","fields":[{"name":"version","type":["int","null"],"default":1},{"name":"metadataPartit' +
  'ionPath","type":["null",{"type":"string","avro.java.string":"String"}],"default":null},{"name":"indexUptoInstant","type":["nul' +
  'l",{"type":"string","avro.java.string":"String"}],"default":null}]}}],"doc":"This field contains the info for each partition t' +
  'hat got indexed","default":null}]}],"default":null},{"name":"stateTransitionTime","type":["null",{"type":"string","avro.java.s' +
  'tring":"String"}],"default":null}]}'
