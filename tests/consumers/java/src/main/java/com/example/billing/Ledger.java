package com.example.billing;

import com.google.protobuf.ByteString;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import lastmile.v1.Events.ControlTotals;
import lastmile.v1.Events.EventRecord;
import lastmile.v1.Events.EventRecord.BodyCase;
import lastmile.v1.Events.InformEvent;
import lastmile.v1.Records.SessionOutcome;

/** What billing keeps of the event records, and what it can prove by them (docs/events.md). */
final class Ledger {
  private static final String CHAIN_UNKNOWN = "chain_unknown";

  /** Of a device's records; the emitter decides only between an Inform and what others made of it. */
  private static final Comparator<EventRecord> ORDER =
      Comparator.comparingLong(EventRecord::getSessionStamp)
          .thenComparing(EventRecord::getResume, Integer::compareUnsigned)
          .thenComparing(EventRecord::getSeq, Integer::compareUnsigned)
          .thenComparing(EventRecord::getEmitter)
          .thenComparingLong(EventRecord::getEmitterSeq);

  /** Distinct records by their id. */
  private final Map<ByteString, EventRecord> records = new LinkedHashMap<>();

  private final Map<String, Long> byType = new TreeMap<>();
  private final SortedSet<String> conflicting = new TreeSet<>();
  private final SortedSet<String> unreadable = new TreeSet<>();
  private long duplicates;
  private long skipped;

  /** Keeps a record; of copies the first. */
  void add(String type, EventRecord record) {
    EventRecord known = records.putIfAbsent(record.getEventId(), record);
    if (known == null) {
      byType.merge(type, 1L, Long::sum);
      return;
    }
    duplicates++;
    if (!content(known).equals(content(record))) {
      conflicting.add(hex(record.getEventId()));
    }
  }

  /** What all copies have in common. Ingest may make its records again: they differ in who says it. */
  private static EventRecord content(EventRecord record) {
    return record.hasDevice() || isLost(record)
        ? record.toBuilder().clearEmitter().clearEmitterSeq().build()
        : record;
  }

  /** A type that is newer than this program. */
  void skip() {
    skipped++;
  }

  /** A message that is no record. */
  void unreadable(String place) {
    unreadable.add(place);
  }

  /** The ids of each device's records, in order. */
  Map<String, List<String>> timelines() {
    return records.values().stream()
        .filter(record -> !record.getDeviceId().isEmpty())
        .sorted(ORDER)
        .collect(
            Collectors.groupingBy(
                EventRecord::getDeviceId,
                TreeMap::new,
                Collectors.mapping(record -> hex(record.getEventId()), Collectors.toList())));
  }

  /** Counts, and everything that is missing. */
  Summary summary() {
    var incomplete = new ArrayList<Summary.IncompleteSession>();
    var mismatches = new ArrayList<Summary.Mismatch>();
    var broken = new ArrayList<Summary.BrokenTotals>();
    var sessions = judgeSessions(incomplete);
    var emitters = judgeEmitters(mismatches, broken);
    var occurrences = occurrences();
    long unknown = Objects.requireNonNullElse(occurrences.remove(CHAIN_UNKNOWN), 0L);
    long entries = occurrences.values().stream().mapToLong(Long::longValue).sum();
    boolean complete =
        incomplete.isEmpty()
            && mismatches.isEmpty()
            && broken.isEmpty()
            && conflicting.isEmpty()
            && unreadable.isEmpty();
    return new Summary(
        complete,
        records.size() + duplicates + skipped + unreadable.size(),
        skipped,
        List.copyOf(unreadable),
        duplicates,
        List.copyOf(conflicting),
        byType,
        records.values().stream().filter(EventRecord::getLate).count(),
        timelines().size(),
        occurrences.size(),
        entries - occurrences.size(),
        unknown,
        sessions,
        incomplete,
        emitters,
        mismatches,
        broken);
  }

  /** How often each thing that happened at a CPE was told: each is billed once, however often the CPE repeated it. */
  private Map<String, Long> occurrences() {
    var keys = new HashMap<String, Long>();
    for (EventRecord record : records.values()) {
      for (InformEvent event : record.getInform().getEventsList()) {
        keys.merge(event.getDedupKey(), 1L, Long::sum);
      }
      if (record.hasTransfer()) {
        keys.merge(record.getTransfer().getDedupKey(), 1L, Long::sum);
      }
    }
    return keys;
  }

  private Map<Summary.SessionState, Long> judgeSessions(List<Summary.IncompleteSession> incomplete) {
    var states = new EnumMap<Summary.SessionState, Long>(Summary.SessionState.class);
    for (var state : Summary.SessionState.values()) {
      states.put(state, 0L);
    }
    var sessions = new TreeMap<String, List<EventRecord>>();
    for (EventRecord record : records.values()) {
      if (!record.getSessionId().isEmpty() && isNumberedBySession(record)) {
        sessions.computeIfAbsent(hex(record.getSessionId()), id -> new ArrayList<>()).add(record);
      }
    }
    sessions.forEach(
        (id, told) -> {
          var missing = new TreeSet<Long>();
          Summary.SessionState state = judgeSession(told, missing);
          states.merge(state, 1L, Long::sum);
          if (state == Summary.SessionState.incomplete) {
            String device = told.get(0).getDeviceId();
            incomplete.add(new Summary.IncompleteSession(id, device, ranges(missing)));
          }
        });
    return states;
  }

  /** Device changes and transitions only repeat the numbers of others. */
  private static boolean isNumberedBySession(EventRecord record) {
    return switch (record.getBodyCase()) {
      case INFORM, TRANSFER, SESSION_ENDED -> true;
      default -> false;
    };
  }

  /** How much is known of a session; fills in which {@code seq} it lacks. */
  private static Summary.SessionState judgeSession(List<EventRecord> records, SortedSet<Long> missing) {
    List<EventRecord> told = records.stream().filter(record -> !isLost(record)).toList();
    EventRecord end = told.stream().filter(EventRecord::hasSessionEnded).findFirst().orElse(null);
    if (end == null) {
      boolean isLost = told.size() < records.size();
      return isLost ? Summary.SessionState.lost : Summary.SessionState.open;
    }
    long count = Integer.toUnsignedLong(end.getSessionEnded().getRecordCount());
    if (!end.getSessionEnded().getComplete()) {
      return told.size() >= count ? Summary.SessionState.unproven : Summary.SessionState.incomplete;
    }
    var held = new TreeMap<Long, ByteString>();
    told.stream()
        .filter(r -> r.getSessionStamp() == end.getSessionStamp() && r.getResume() == end.getResume())
        .forEach(record -> held.put(Integer.toUnsignedLong(record.getSeq()), record.getEventId()));
    LongStream.rangeClosed(1, count).filter(seq -> !held.containsKey(seq)).forEach(missing::add);
    boolean complete =
        missing.isEmpty()
            && held.size() == count
            && areThey(end.getSessionEnded().getRecordHash(), held.values());
    return complete ? Summary.SessionState.complete : Summary.SessionState.incomplete;
  }

  /** Whether these are the records that the end tells of, in order; older versions do not say it. */
  private static boolean areThey(ByteString hash, Collection<ByteString> ids) {
    return hash.isEmpty() || hash.equals(sha256(ByteString.copyFrom(ids)));
  }

  private static ByteString sha256(ByteString bytes) {
    try {
      return ByteString.copyFrom(MessageDigest.getInstance("SHA-256").digest(bytes.toByteArray()));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }

  /** Whether it is the end that ingest tells of a session whose end nobody saw. */
  private static boolean isLost(EventRecord record) {
    return record.getSessionEnded().getOutcome() == SessionOutcome.SESSION_OUTCOME_LOST;
  }

  private Map<String, Summary.Emitter> judgeEmitters(
      List<Summary.Mismatch> mismatches, List<Summary.BrokenTotals> broken) {
    var numbers = new TreeMap<String, TreeSet<Long>>();
    var totals = new HashMap<String, List<ControlTotals>>();
    for (EventRecord record : records.values()) {
      numbers.computeIfAbsent(record.getEmitter(), e -> new TreeSet<>()).add(record.getEmitterSeq());
      if (record.getBodyCase() == BodyCase.CONTROL_TOTALS) {
        totals.computeIfAbsent(record.getEmitter(), e -> new ArrayList<>()).add(record.getControlTotals());
      }
    }
    var emitters = new TreeMap<String, Summary.Emitter>();
    numbers.forEach(
        (emitter, held) -> {
          List<ControlTotals> ranges = totals.getOrDefault(emitter, List.of());
          emitters.put(emitter, judgeEmitter(emitter, held, ranges, mismatches, broken));
        });
    return emitters;
  }

  private static Summary.Emitter judgeEmitter(
      String emitter,
      TreeSet<Long> held,
      List<ControlTotals> totals,
      List<Summary.Mismatch> mismatches,
      List<Summary.BrokenTotals> broken) {
    var missing = new TreeSet<Long>();
    var givenUp = new TreeSet<Long>();
    long accountedTo = 0;
    for (ControlTotals range :
        totals.stream().sorted(Comparator.comparingLong(ControlTotals::getFirstEmitterSeq)).toList()) {
      long first = range.getFirstEmitterSeq();
      long last = range.getLastEmitterSeq();
      // The oldest range may begin later than 1: retention took what was before.
      if (accountedTo != 0 && first != accountedTo + 1) {
        broken.add(new Summary.BrokenTotals(emitter, accountedTo + 1, first));
      }
      List<Long> gaps = gaps(held, first, last);
      long found = last + 1 - first - gaps.size();
      if (found < range.getCount()) {
        missing.addAll(gaps);
        mismatches.add(new Summary.Mismatch(emitter, first, last, range.getCount(), found));
      } else {
        givenUp.addAll(gaps);
      }
      accountedTo = last;
    }
    return new Summary.Emitter(
        held.size(),
        held.last(),
        accountedTo,
        ranges(missing),
        ranges(givenUp),
        ranges(gaps(held, accountedTo + 1, held.last())));
  }

  private static List<Long> gaps(SortedSet<Long> held, long first, long last) {
    return LongStream.rangeClosed(first, last).filter(number -> !held.contains(number)).boxed().toList();
  }

  /** Numbers as first and last. */
  private static List<long[]> ranges(Collection<Long> numbers) {
    var ranges = new ArrayList<long[]>();
    for (long number : new TreeSet<>(numbers)) {
      if (!ranges.isEmpty() && ranges.get(ranges.size() - 1)[1] + 1 == number) {
        ranges.get(ranges.size() - 1)[1] = number;
      } else {
        ranges.add(new long[] {number, number});
      }
    }
    return ranges;
  }

  static String hex(ByteString bytes) {
    return HexFormat.of().formatHex(bytes.toByteArray());
  }
}
