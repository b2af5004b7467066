"""What billing keeps of the event records, and what it can prove by them (docs/events.md)."""

import hashlib
from collections import Counter, defaultdict
from itertools import pairwise

from lastmile.v1.events_pb2 import EventRecord
from lastmile.v1.records_pb2 import SESSION_OUTCOME_LOST

TYPES = {
    "acs.inform.v1",
    "acs.transfer_complete.v1",
    "acs.inform_refused.v1",
    "acs.session_ended.v1",
    "acs.control_totals.v1",
    "acs.task_transition.v1",
    "acs.device_change.v1",
    "acs.audit.v1",
}
# The records that a session numbers by `seq`. Device changes only repeat the numbers of their Inform.
OF_SESSION = {"inform", "transfer", "session_ended"}
CHAIN_UNKNOWN = "chain_unknown"

Ranges = list[list[int]]


class Ledger:
    """Distinct records by their id."""

    def __init__(self) -> None:
        self._records: dict[bytes, EventRecord] = {}
        self._by_type: Counter[str] = Counter()
        self._duplicates = 0
        self._skipped = 0
        self._conflicting: set[str] = set()
        self._unreadable: list[str] = []

    def add(self, ce_type: str, record: EventRecord) -> None:
        """Keeps a record; of copies the first."""
        known = self._records.setdefault(record.event_id, record)
        if known is record:
            self._by_type[ce_type] += 1
            return
        self._duplicates += 1
        if _content(known) != _content(record):
            self._conflicting.add(record.event_id.hex())

    def skip(self) -> None:
        """A type that is newer than this program."""
        self._skipped += 1

    def unreadable(self, place: str) -> None:
        """A message that is no record."""
        self._unreadable.append(place)

    def timelines(self) -> dict[str, list[str]]:
        """The ids of each device's records, in order."""
        devices = defaultdict(list)
        for record in self._records.values():
            if record.device_id:
                devices[record.device_id].append(record)
        return {device: [r.event_id.hex() for r in sorted(records, key=_order)] for device, records in devices.items()}

    def summary(self) -> dict:
        """Counts, and everything that is missing."""
        sessions, incomplete = self._sessions()
        emitters, mismatches, broken = self._emitters()
        records = self._records.values()
        is_complete = not (incomplete or mismatches or broken or self._conflicting or self._unreadable)
        return {
            "complete": is_complete,
            "messages": len(records) + self._duplicates + self._skipped + len(self._unreadable),
            "skipped": self._skipped,
            "unreadable": sorted(self._unreadable),
            "duplicates": self._duplicates,
            "conflicting_copies": sorted(self._conflicting),
            "records": dict(self._by_type),
            "late": sum(record.late for record in records),
            "devices": len({record.device_id for record in records if record.device_id}),
            **self._occurrences(),
            "sessions": sessions,
            "incomplete_sessions": incomplete,
            "emitters": emitters,
            "mismatches": mismatches,
            "broken_totals": broken,
        }

    def _occurrences(self) -> dict[str, int]:
        """What happened at CPEs, each once, however often a CPE repeated it: this is what is billed."""
        keys = Counter()
        for record in self._records.values():
            match record.WhichOneof("body"):
                case "inform":
                    keys.update(event.dedup_key for event in record.inform.events)
                case "transfer":
                    keys[record.transfer.dedup_key] += 1
        unknown = keys.pop(CHAIN_UNKNOWN, 0)
        return {"occurrences": len(keys), "repetitions": keys.total() - len(keys), "chain_unknown": unknown}

    def _sessions(self) -> tuple[dict[str, int], list[dict]]:
        sessions = defaultdict(list)
        for record in self._records.values():
            if record.session_id and record.WhichOneof("body") in OF_SESSION:
                sessions[record.session_id].append(record)
        states = Counter(complete=0, unproven=0, incomplete=0, lost=0, open=0)
        incomplete = []
        for session_id, records in sorted(sessions.items()):
            state, missing = _judge_session(records)
            states[state] += 1
            if state == "incomplete":
                device = records[0].device_id
                incomplete.append({"session": session_id.hex(), "device": device, "missing": missing})
        return dict(states), incomplete

    def _emitters(self) -> tuple[dict, list[dict], list[dict]]:
        numbers, totals = defaultdict(set), defaultdict(list)
        for record in self._records.values():
            numbers[record.emitter].add(record.emitter_seq)
            if record.WhichOneof("body") == "control_totals":
                totals[record.emitter].append(record.control_totals)
        emitters, mismatches, broken = {}, [], []
        for emitter, held in sorted(numbers.items()):
            ranges = sorted(totals[emitter], key=lambda t: t.first_emitter_seq)
            missing, given_up = set(), set()
            for total in ranges:
                first, last = total.first_emitter_seq, total.last_emitter_seq
                gaps = set(range(first, last + 1)) - held
                found = last + 1 - first - len(gaps)
                if found < total.count:
                    missing |= gaps
                    mismatches.append(
                        {"emitter": emitter, "first": first, "last": last, "count": total.count, "held": found}
                    )
                else:
                    given_up |= gaps
            for before, after in pairwise(ranges):
                if after.first_emitter_seq != before.last_emitter_seq + 1:
                    expected = before.last_emitter_seq + 1
                    broken.append({"emitter": emitter, "expected": expected, "first": after.first_emitter_seq})
            accounted_to = ranges[-1].last_emitter_seq if ranges else 0
            emitters[emitter] = {
                "held": len(held),
                "highest": max(held),
                "accounted_to": accounted_to,
                "missing": _ranges(missing),
                "given_up": _ranges(given_up),
                "unaccounted": _ranges(set(range(accounted_to + 1, max(held))) - held),
            }
        return emitters, mismatches, broken


def _order(record: EventRecord) -> tuple:
    """Of a device's records; the emitter decides only between an Inform and what others made of it."""
    return record.session_stamp, record.resume, record.seq, record.emitter, record.emitter_seq


def _judge_session(records: list[EventRecord]) -> tuple[str, Ranges]:
    """How much is known of a session, and which `seq` it lacks."""
    ends = [record for record in records if record.WhichOneof("body") == "session_ended"]
    seen = [end for end in ends if not _is_lost(end)]
    if not seen:
        return ("lost" if ends else "open"), []
    end, told = seen[0], [record for record in records if not _is_lost(record)]
    count = end.session_ended.record_count
    if not end.session_ended.complete:
        return ("unproven" if len(told) >= count else "incomplete"), []
    held = {r.seq: r.event_id for r in told if (r.session_stamp, r.resume) == (end.session_stamp, end.resume)}
    expected = set(range(1, count + 1))
    is_complete = held.keys() == expected and _are(end.session_ended.record_hash, held)
    return ("complete" if is_complete else "incomplete"), _ranges(expected - held.keys())


def _are(record_hash: bytes, held: dict[int, bytes]) -> bool:
    """Whether these are the records that the end tells of; older versions do not say it."""
    ids = b"".join(held[seq] for seq in sorted(held))
    return record_hash in (b"", hashlib.sha256(ids).digest())


def _is_lost(record: EventRecord) -> bool:
    """Whether it is the end that ingest tells of a session whose end nobody saw."""
    return record.session_ended.outcome == SESSION_OUTCOME_LOST


def _content(record: EventRecord) -> EventRecord:
    """What all copies have in common. Ingest may make its records again: they differ in who says it."""
    if record.WhichOneof("body") == "device" or _is_lost(record):
        common = EventRecord()
        common.CopyFrom(record)
        common.ClearField("emitter")
        common.ClearField("emitter_seq")
        return common
    return record


def _ranges(numbers: set[int]) -> Ranges:
    """Numbers as [first, last]."""
    ranges: Ranges = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] + 1 == number:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges
