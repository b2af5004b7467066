package com.example.billing;

import com.google.gson.FieldNamingPolicy;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import java.io.IOException;
import org.apache.kafka.common.KafkaException;

/** Reads the events of Lastmile from Kafka and says as JSON whether something is missing. */
public final class Main {
  private static final Gson GSON =
      new GsonBuilder()
          .setFieldNamingPolicy(FieldNamingPolicy.LOWER_CASE_WITH_UNDERSCORES)
          .setPrettyPrinting()
          .create();

  private Main() {}

  public static void main(String[] arguments) {
    System.exit(run(arguments));
  }

  private static int run(String[] arguments) {
    Options options;
    try {
      options = Options.parse(arguments);
    } catch (IllegalArgumentException e) {
      System.err.println(e.getMessage() + "\n" + Options.USAGE);
      return 2;
    }
    var ledger = new Ledger();
    try (var topics = new Topics(options)) {
      topics.readAll(message -> EventDecoder.decode(message, ledger));
    } catch (KafkaException | IOException e) {
      System.err.println("the events could not be read: " + e.getMessage());
      return 2;
    }
    Summary summary = ledger.summary();
    JsonObject json = GSON.toJsonTree(summary).getAsJsonObject();
    if (options.timelines()) {
      json.add("timelines", GSON.toJsonTree(ledger.timelines()));
    }
    System.out.println(GSON.toJson(json));
    return summary.complete() ? 0 : 1;
  }
}
