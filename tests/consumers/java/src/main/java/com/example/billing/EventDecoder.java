package com.example.billing;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import java.util.Set;
import lastmile.v1.Events.EventRecord;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;

import static java.nio.charset.StandardCharsets.UTF_8;

/** From a message of Kafka, a CloudEvent in binary mode, to an event record. */
final class EventDecoder {
  private static final Set<String> TYPES =
      Set.of(
          "acs.inform.v1",
          "acs.transfer_complete.v1",
          "acs.inform_refused.v1",
          "acs.session_ended.v1",
          "acs.control_totals.v1",
          "acs.task_transition.v1",
          "acs.device_change.v1",
          "acs.audit.v1");
  private static final JsonFormat.Parser JSON = JsonFormat.parser().ignoringUnknownFields();

  private EventDecoder() {}

  /** Gives a message to the ledger as what it is: a record, a newer type, or none that can be read. */
  static void decode(ConsumerRecord<byte[], byte[]> message, Ledger ledger) {
    String type = header(message, "ce_type");
    if (type != null && !TYPES.contains(type)) {
      ledger.skip();
      return;
    }
    try {
      ledger.add(type, record(message));
    } catch (InvalidProtocolBufferException e) {
      String place = message.topic() + "[" + message.partition() + "]@" + message.offset();
      ledger.unreadable(place);
      System.err.println(place + ": " + e.getMessage());
    }
  }

  private static EventRecord record(ConsumerRecord<byte[], byte[]> message)
      throws InvalidProtocolBufferException {
    if (header(message, "ce_type") == null || message.value() == null) {
      throw new InvalidProtocolBufferException("it is no event of Lastmile");
    }
    String contentType = header(message, "content-type");
    var record = EventRecord.newBuilder();
    switch (contentType == null ? "" : contentType) {
      case "application/protobuf" -> record.mergeFrom(message.value());
      case "application/json" -> JSON.merge(new String(message.value(), UTF_8), record);
      default -> throw new InvalidProtocolBufferException("content-type " + contentType + " is not known");
    }
    if (!Ledger.hex(record.getEventId()).equals(header(message, "ce_id"))) {
      throw new InvalidProtocolBufferException("its ce_id is not its event_id");
    }
    return record.build();
  }

  private static String header(ConsumerRecord<byte[], byte[]> message, String name) {
    Header header = message.headers().lastHeader(name);
    return header == null || header.value() == null ? null : new String(header.value(), UTF_8);
  }
}
