import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;

/**
 * What Avro's own Java library says of schemas, for tests.
 * Reads lines {"reader":TEXT,"writer":TEXT}; answers each with {"reader":TEXT|null,"writer":TEXT|null,"issues":[{"kind","path","detail"}]|null}:
 * the texts as Schema.toString gives them (null: no valid schema), and why the reader can't read what the writer wrote (null: it can't be told).
 */
public final class AvroOracle {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, false, "UTF-8");
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      JsonNode pair = JSON.readTree(line);
      Schema reader = parse(pair.get("reader").textValue());
      Schema writer = parse(pair.get("writer").textValue());
      ObjectNode answer = JSON.createObjectNode();
      answer.put("reader", reader == null ? null : reader.toString());
      answer.put("writer", writer == null ? null : writer.toString());
      answer.set("issues", reader == null || writer == null ? null : issues(reader, writer));
      out.println(JSON.writeValueAsString(answer));
    }
    out.flush();
  }

  private static Schema parse(String text) {
    try {
      return new Schema.Parser().parse(text);
    } catch (RuntimeException | StackOverflowError e) {
      return null;
    }
  }

  private static ArrayNode issues(Schema reader, Schema writer) {
    ArrayNode list = JSON.createArrayNode();
    SchemaCompatibility.SchemaPairCompatibility pair;
    try {
      pair = SchemaCompatibility.checkReaderWriterCompatibility(reader, writer);
    } catch (AvroRuntimeException e) {
      return null;
    }
    for (SchemaCompatibility.Incompatibility i : pair.getResult().getIncompatibilities()) {
      ObjectNode issue = list.addObject();
      issue.put("kind", i.getType().name());
      issue.put("path", i.getLocation());
      issue.put("detail", i.getMessage());
    }
    return list;
  }
}
