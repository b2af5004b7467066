package com.example.billing;

import java.io.Closeable;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** The event topics as they are now. */
final class Topics implements Closeable {
  /** Its ends are asked first, so that all a control total accounts for is before the other ends. */
  private static final String TOTALS_TOPIC = "acs.session.v1";

  private static final List<String> OTHER_TOPICS =
      List.of("acs.inform.v1", "acs.task.v1", "acs.device.v1", "acs.audit.v1");

  private final Options options;
  private final KafkaConsumer<byte[], byte[]> consumer;

  Topics(Options options) {
    this.options = options;
    var client = new HashMap<String, Object>();
    options.client().forEach((key, value) -> client.put((String) key, value));
    client.put("enable.auto.commit", false);
    client.put("auto.offset.reset", "earliest");
    client.put("allow.auto.create.topics", false);
    this.consumer =
        new KafkaConsumer<>(client, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  /** Every message that is in the topics now, once. */
  void readAll(Consumer<ConsumerRecord<byte[], byte[]>> take) throws IOException {
    var ends = new HashMap<>(consumer.endOffsets(partitions(List.of(TOTALS_TOPIC)), options.patience()));
    ends.putAll(consumer.endOffsets(partitions(OTHER_TOPICS), options.patience()));
    consumer.assign(ends.keySet());
    consumer.seekToBeginning(ends.keySet());
    removeReached(ends);
    Instant deadline = Instant.now().plus(options.patience());
    while (!ends.isEmpty()) {
      if (Instant.now().isAfter(deadline)) {
        throw new IOException("nothing came for " + options.patience() + "; missing: " + ends);
      }
      for (ConsumerRecord<byte[], byte[]> message : consumer.poll(Duration.ofSeconds(1))) {
        deadline = Instant.now().plus(options.patience());
        Long end = ends.get(new TopicPartition(message.topic(), message.partition()));
        // What came after the reading began is for the next time.
        if (end != null && message.offset() < end) {
          take.accept(message);
        }
      }
      removeReached(ends);
    }
  }

  private void removeReached(Map<TopicPartition, Long> ends) {
    ends.entrySet()
        .removeIf(end -> consumer.position(end.getKey(), options.patience()) >= end.getValue());
  }

  private List<TopicPartition> partitions(List<String> topics) throws IOException {
    Map<String, List<PartitionInfo>> known = consumer.listTopics(options.patience());
    var partitions = new ArrayList<TopicPartition>();
    for (String name : topics) {
      String topic = options.prefix() + name;
      if (!known.containsKey(topic)) {
        throw new IOException("there is no topic " + topic);
      }
      known.get(topic).forEach(p -> partitions.add(new TopicPartition(topic, p.partition())));
    }
    return partitions;
  }

  @Override
  public void close() {
    consumer.close();
  }
}
