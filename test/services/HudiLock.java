package org.apache.hudi.client.transaction.lock;

import java.io.ByteArrayInputStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.util.Base64;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.apache.hudi.client.transaction.lock.models.LockGetResult;
import org.apache.hudi.client.transaction.lock.models.LockProviderHeartbeatManager;
import org.apache.hudi.client.transaction.lock.models.LockUpsertResult;
import org.apache.hudi.client.transaction.lock.models.StorageLockData;
import org.apache.hudi.client.transaction.lock.models.StorageLockFile;
import org.apache.hudi.common.config.TypedProperties;
import org.apache.hudi.common.util.Option;
import org.apache.hudi.common.util.collection.Pair;
import org.slf4j.helpers.NOPLogger;

/**
 * Hudi's own StorageBasedLockProvider at work on a table on disk. It comes with clients for S3, GCS and Azure only, so here it gets one for
 * directories: conditional writes by link(2) and by the version of a file, as Tributary's disk store does them.
 * It takes the lock ROUNDS times, each time adds 1 to the number in COUNTER, slowly, and says on standard output how often it did not get it.
 *   HudiLock ROOT TABLE COUNTER ROUNDS
 */
public final class HudiLock {
  public static void main(String[] args) throws Exception {
    Path root = Path.of(args[0]);
    String key = args[1] + "/.hoodie/.locks/table_lock.json";
    Path counter = Path.of(args[2]);
    int rounds = Integer.parseInt(args[3]);
    TypedProperties properties = new TypedProperties();
    properties.setProperty("hoodie.base.path", root.resolve(args[1]).toUri().toString());
    properties.setProperty("hoodie.write.lock.storage.validity.timeout.secs", "10");
    properties.setProperty("hoodie.write.lock.storage.renew.interval.secs", "1");
    StorageBasedLockProvider provider = new StorageBasedLockProvider(
        UUID.randomUUID().toString(), properties,
        (owner, millis, renew) -> new LockProviderHeartbeatManager(owner, millis, renew),
        (owner, path, p) -> new Directory(root, key), NOPLogger.NOP_LOGGER, null);
    int missed = 0;
    for (int i = 0; i < rounds; i++) {
      while (!provider.tryLock(100, TimeUnit.MILLISECONDS)) {
        missed++;
        Thread.sleep(20);
      }
      long n = Long.parseLong(Files.readString(counter).trim());
      Thread.sleep(15);
      Files.writeString(counter, Long.toString(n + 1));
      provider.unlock();
      Thread.sleep(10);
    }
    System.out.println(missed);
    provider.close();
    System.exit(0);
  }

  private static final class Directory implements StorageLockClient {
    private final Path root;
    private final String key;
    private final Path lock;

    Directory(Path root, String key) {
      this.root = root;
      this.key = key;
      this.lock = root.resolve(key);
    }

    @Override
    public Pair<LockUpsertResult, Option<StorageLockFile>> tryUpsertLockFile(StorageLockData data, Option<StorageLockFile> previous) {
      try {
        Path temporary = Files.createDirectories(root.resolve(".tributary/tmp")).resolve(UUID.randomUUID().toString());
        Files.createDirectories(lock.getParent());
        Files.write(temporary, StorageLockFile.toByteArray(data));
        try {
          boolean done = previous.isPresent() ? replace(temporary, previous.get().getVersionId()) : create(temporary);
          return done
              ? Pair.of(LockUpsertResult.SUCCESS, Option.of(new StorageLockFile(data, version())))
              : Pair.of(LockUpsertResult.ACQUIRED_BY_OTHERS, Option.empty());
        } finally {
          Files.deleteIfExists(temporary);
        }
      } catch (Exception e) {
        e.printStackTrace();
        return Pair.of(LockUpsertResult.UNKNOWN_ERROR, Option.empty());
      }
    }

    private boolean create(Path temporary) throws Exception {
      try {
        Files.createLink(lock, temporary);
        return true;
      } catch (FileAlreadyExistsException e) {
        return false;
      }
    }

    private boolean replace(Path temporary, String version) throws Exception {
      String name = Base64.getUrlEncoder().withoutPadding().encodeToString(key.getBytes("UTF-8"));
      Path guard = root.resolve(".tributary/tmp/replace-" + name.substring(0, Math.min(200, name.length())));
      // Somebody who compares at this moment, with a version that may be an old one, has not taken the lock yet.
      for (int tries = 1; ; tries++) {
        try {
          Files.createLink(guard, temporary);
          break;
        } catch (FileAlreadyExistsException e) {
          if (tries == 10_000) throw e;
          Thread.sleep(1);
        }
      }
      try {
        if (!version.equals(version())) return false;
        Files.move(temporary, lock, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        return true;
      } finally {
        Files.deleteIfExists(guard);
      }
    }

    private String version() throws Exception {
      var at = Files.readAttributes(lock, "unix:ino,lastModifiedTime,size");
      return at.get("ino") + "-" + ((FileTime) at.get("lastModifiedTime")).to(TimeUnit.NANOSECONDS) + "-" + at.get("size");
    }

    @Override
    public Pair<LockGetResult, Option<StorageLockFile>> readCurrentLockFile() {
      try {
        String version = version();
        byte[] body = Files.readAllBytes(lock);
        return Pair.of(LockGetResult.SUCCESS, Option.of(StorageLockFile.createFromStream(new ByteArrayInputStream(body), version)));
      } catch (NoSuchFileException e) {
        return Pair.of(LockGetResult.NOT_EXISTS, Option.empty());
      } catch (Exception e) {
        e.printStackTrace();
        return Pair.of(LockGetResult.UNKNOWN_ERROR, Option.empty());
      }
    }

    @Override
    public Option<String> readObject(String path, boolean checkExistsFirst) {
      return Option.empty();
    }

    @Override
    public boolean writeObject(String path, String content) {
      return true;
    }

    @Override
    public void close() {
    }
  }
}
