package com.example.billing;

import java.time.Duration;
import java.util.Arrays;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Properties;

/**
 * The command line.
 *
 * @param client properties of the Kafka client, the brokers among them
 * @param prefix what stands before the name of each topic
 * @param patience the longest wait for the next message
 * @param timelines whether the ids of each device's records are shown, in order
 */
record Options(Properties client, String prefix, Duration patience, boolean timelines) {
  static final String USAGE =
      "usage: --brokers HOST:PORT[,…] [--prefix PREFIX] [--property KEY=VALUE]… [--patience SECONDS] [--timelines]";

  static Options parse(String[] arguments) {
    var client = new Properties();
    String prefix = "";
    Duration patience = Duration.ofSeconds(30);
    boolean timelines = false;
    Iterator<String> rest = Arrays.asList(arguments).iterator();
    while (rest.hasNext()) {
      String name = rest.next();
      try {
        switch (name) {
          case "--brokers" -> client.put("bootstrap.servers", rest.next());
          case "--prefix" -> prefix = rest.next();
          case "--property" -> {
            String[] property = rest.next().split("=", 2);
            client.put(property[0], property[1]);
          }
          case "--patience" -> patience = Duration.ofSeconds(Long.parseLong(rest.next()));
          case "--timelines" -> timelines = true;
          default -> throw new IllegalArgumentException(name + " is not known");
        }
      } catch (NoSuchElementException | ArrayIndexOutOfBoundsException | NumberFormatException e) {
        throw new IllegalArgumentException(name + " lacks its value", e);
      }
    }
    if (!client.containsKey("bootstrap.servers")) {
      throw new IllegalArgumentException("--brokers is missing");
    }
    return new Options(client, prefix, patience, timelines);
  }
}
