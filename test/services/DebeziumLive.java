import com.fasterxml.jackson.databind.ObjectMapper;
import io.debezium.embedded.Connect;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.RecordChangeEvent;
import io.debezium.engine.format.ChangeEventFormat;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.Reader;
import java.io.Writer;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import javax.management.JMException;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.pulsar.kafka.shade.avro.generic.GenericDatumWriter;
import org.apache.pulsar.kafka.shade.avro.io.BinaryEncoder;
import org.apache.pulsar.kafka.shade.avro.io.EncoderFactory;
import org.apache.pulsar.kafka.shade.io.confluent.connect.avro.AvroData;
import org.apache.pulsar.kafka.shade.io.confluent.connect.avro.AvroDataConfig;
import org.apache.pulsar.kafka.shade.io.confluent.kafka.serializers.NonRecordContainer;

/**
 * The real Debezium connector, embedded, as an oracle for tests: one process runs one connector after the other.
 * stdin:  `start DIR`  runs the connector of DIR/connector.properties; `stop` ends it.
 * stdout: `streaming`, then `sentinel` for each record of the topic `harness.sentinel`, at last `stopped {"success":…,"error":…}`.
 * DIR/events.jsonl has a record per line as JsonConverter prints it; DIR/avro.jsonl the same record as Confluent's AvroConverter writes it, its
 * schemas by number in DIR/avro-schemas.jsonl. The same form as the recordings in test/golden/debezium.
 */
public final class DebeziumLive {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    Connector running = null;
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      if (line.startsWith("start ")) {
        running = new Connector(Path.of(line.substring(6)));
        running.start();
      } else if (line.equals("stop") && running != null) {
        running.stop();
        running = null;
      }
    }
    // Threads of a connector that did not end must not keep the process.
    Runtime.getRuntime().halt(0);
  }

  private static final class Connector implements DebeziumEngine.ChangeConsumer<RecordChangeEvent<SourceRecord>> {
    private final Path dir;
    private final Properties settings = new Properties();
    private final String sentinel;
    private final Writer events;
    private final Writer avro;
    private final Map<String, Integer> schemas = new LinkedHashMap<>();
    private final Map<Schema, org.apache.pulsar.kafka.shade.avro.Schema> converted = new LinkedHashMap<>();
    private final AvroData avroData = new AvroData(new AvroDataConfig(Map.of("schemas.cache.config", 10000)));
    private final JsonConverter keys = new JsonConverter();
    private final JsonConverter values = new JsonConverter();
    private final DebeziumEngine<RecordChangeEvent<SourceRecord>> engine;
    private final Thread thread;
    private volatile boolean ended;
    private volatile Throwable failure;

    Connector(Path dir) throws IOException {
      this.dir = dir;
      try (Reader r = Files.newBufferedReader(dir.resolve("connector.properties"))) {
        settings.load(r);
      }
      sentinel = (String) settings.remove("harness.sentinel");
      settings.setProperty("name", "live");
      settings.setProperty("offset.storage", "org.apache.kafka.connect.storage.FileOffsetBackingStore");
      settings.setProperty("offset.storage.file.filename", dir.resolve("offsets.dat").toString());
      settings.setProperty("schema.history.internal", "io.debezium.storage.file.history.FileSchemaHistory");
      settings.setProperty("schema.history.internal.file.filename", dir.resolve("history.dat").toString());
      keys.configure(Map.of("schemas.enable", "true"), true);
      values.configure(Map.of("schemas.enable", "true"), false);
      events = Files.newBufferedWriter(dir.resolve("events.jsonl"));
      avro = Files.newBufferedWriter(dir.resolve("avro.jsonl"));
      engine = DebeziumEngine.create(ChangeEventFormat.of(Connect.class)).using(settings).using(this::completed).notifying(this).build();
      thread = new Thread(engine::run);
    }

    void start() throws Exception {
      thread.start();
      MBeanServer beans = ManagementFactory.getPlatformMBeanServer();
      ObjectName metrics =
          new ObjectName("debezium.*:type=connector-metrics,context=streaming,server=" + settings.getProperty("topic.prefix") + ",*");
      while (!ended && !connected(beans, metrics)) Thread.sleep(20);
      if (!ended) OUT.println("streaming");
    }

    private static boolean connected(MBeanServer beans, ObjectName metrics) {
      for (ObjectName name : beans.queryNames(metrics, null)) {
        try {
          if (Boolean.TRUE.equals(beans.getAttribute(name, "Connected"))) return true;
        } catch (JMException e) {
          // The bean of the connector before goes away at its own time.
          continue;
        }
      }
      return false;
    }

    void stop() throws Exception {
      if (!ended) engine.close();
      thread.join(60_000);
      finish();
      Map<String, Object> outcome = new LinkedHashMap<>();
      outcome.put("success", failure == null);
      outcome.put("error", failure == null ? null : failure.toString());
      OUT.println("stopped " + JSON.writeValueAsString(outcome));
    }

    private void finish() throws IOException {
      events.close();
      avro.close();
      try (BufferedWriter w = Files.newBufferedWriter(dir.resolve("avro-schemas.jsonl"))) {
        for (Map.Entry<String, Integer> e : schemas.entrySet()) {
          Map<String, Object> line = new LinkedHashMap<>();
          line.put("id", e.getValue());
          line.put("schema", e.getKey());
          w.write(JSON.writeValueAsString(line) + "\n");
        }
      }
    }

    private void completed(boolean success, String message, Throwable error) {
      Throwable root = error;
      while (root != null && root.getCause() != null) root = root.getCause();
      if (!success) failure = root == null ? new IllegalStateException(message) : root;
      ended = true;
      if (!success) OUT.println("failed " + failure);
    }

    @Override
    public void handleBatch(
        List<RecordChangeEvent<SourceRecord>> batch, DebeziumEngine.RecordCommitter<RecordChangeEvent<SourceRecord>> committer)
        throws InterruptedException {
      int seen = 0;
      for (RecordChangeEvent<SourceRecord> e : batch) {
        try {
          write(e.record());
        } catch (IOException x) {
          throw new IllegalStateException(x);
        }
        if (e.record().topic().equals(sentinel)) seen++;
        committer.markProcessed(e);
      }
      committer.markBatchFinished();
      for (; seen > 0; seen--) OUT.println("sentinel");
    }

    private void write(SourceRecord r) throws IOException {
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("topic", r.topic());
      line.put("phase", 1);
      line.put("partition", r.kafkaPartition());
      line.put("timestamp", r.timestamp());
      line.put("key", text(keys.fromConnectData(r.topic(), r.keySchema(), r.key())));
      line.put("value", text(values.fromConnectData(r.topic(), r.valueSchema(), r.value())));
      List<Object> headers = new ArrayList<>();
      for (Header h : r.headers()) {
        Map<String, Object> header = new LinkedHashMap<>();
        header.put("key", h.key());
        header.put("value", text(values.fromConnectHeader(r.topic(), h.key(), h.schema(), h.value())));
        headers.add(header);
      }
      line.put("headers", headers);
      line.put("sourcePartition", r.sourcePartition());
      line.put("sourceOffset", r.sourceOffset());
      events.write(JSON.writeValueAsString(line) + "\n");
      Map<String, Object> bytes = new LinkedHashMap<>();
      bytes.put("topic", r.topic());
      bytes.put("key", part(r.keySchema(), r.key()));
      bytes.put("value", part(r.valueSchema(), r.value()));
      avro.write(JSON.writeValueAsString(bytes) + "\n");
    }

    private static String text(byte[] utf8) {
      return utf8 == null ? null : new String(utf8, StandardCharsets.UTF_8);
    }

    private Map<String, Object> part(Schema schema, Object value) throws IOException {
      if (schema == null && value == null) return null;
      org.apache.pulsar.kafka.shade.avro.Schema as = converted.computeIfAbsent(schema, avroData::fromConnectSchema);
      // The jar with its packages renamed has renamed this name, too.
      String unshaded = as.toString().replace("org.apache.pulsar.kafka.shade.io.confluent", "io.confluent");
      Map<String, Object> part = new LinkedHashMap<>();
      part.put("schema", schemas.computeIfAbsent(unshaded, t -> schemas.size() + 1));
      part.put("hex", value == null ? null : hex(as, avroData.fromConnectData(schema, value)));
      return part;
    }

    private static String hex(org.apache.pulsar.kafka.shade.avro.Schema schema, Object converted) throws IOException {
      Object datum = converted instanceof NonRecordContainer c ? c.getValue() : converted;
      if (datum instanceof byte[] b) datum = ByteBuffer.wrap(b);
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(out, null);
      new GenericDatumWriter<Object>(schema).write(datum, encoder);
      encoder.flush();
      return HexFormat.of().formatHex(out.toByteArray());
    }
  }
}
