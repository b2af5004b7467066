package com.example.billing;

import java.util.List;
import java.util.Map;

/** What was read, and everything that is missing. */
record Summary(
    boolean complete,
    long messages,
    long skipped,
    List<String> unreadable,
    long duplicates,
    List<String> conflictingCopies,
    Map<String, Long> records,
    long late,
    long devices,
    long occurrences,
    long repetitions,
    long chainUnknown,
    Map<SessionState, Long> sessions,
    List<IncompleteSession> incompleteSessions,
    Map<String, Emitter> emitters,
    List<Mismatch> mismatches,
    List<BrokenTotals> brokenTotals) {

  /** How much is known of a session. */
  enum SessionState {
    /** Nothing is missing. */
    complete,
    /** Several front-ends served it, and not less is there than they know of. */
    unproven,
    /** Something is missing. */
    incomplete,
    /** Its front-end died. */
    lost,
    /** No end came yet. */
    open
  }

  /** The ranges of {@code seq} that are missing; none if only their number is known. */
  record IncompleteSession(String session, String device, List<long[]> missing) {}

  /**
   * The numbers of one emitter.
   *
   * @param missing in a range of control totals that has less than it should
   * @param givenUp in a range of control totals that knows of it
   * @param unaccounted behind the last control totals
   */
  record Emitter(
      long held,
      long highest,
      long accountedTo,
      List<long[]> missing,
      List<long[]> givenUp,
      List<long[]> unaccounted) {}

  /** Control totals of which less than {@code count} is there. */
  record Mismatch(String emitter, long first, long last, long count, long held) {}

  /** Control totals that do not begin where the ones before end. */
  record BrokenTotals(String emitter, long expected, long first) {}
}
