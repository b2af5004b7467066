//! Any value of every record and of every request and reply.

use std::net::IpAddr;

use acs_proto::{
    Answer, AnswerOutcome, BeginReply, BeginRequest, Call, CancelReply, EndReply, EndRequest, EnqueueReply,
    EnqueueRequest, ErrorClass, NewFile, NextReply, NextRequest, ServiceError, SignedUrl, UnansweredReason,
    VerifierReply, VerifierRequest, WakeOutcome, WakeRequest,
};
use acs_types::*;
use cwmp_codec::{
    AcsRequest, AddObject, AddObjectResponse, CpeResponse, CwmpVersion, DeleteObject, DeleteObjectResponse, Download,
    DownloadResponse, Event, Fault, GetParameterNames, GetParameterNamesResponse, GetParameterValues,
    GetParameterValuesResponse, GetRpcMethodsResponse, Inform, ParameterFault, ParameterInfo, SetParameterValues,
    SetParameterValuesResponse,
};
use cwmp_model::{DeviceIdentity, ParameterPath, ParameterValue, Timestamp, Value, ValueType};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

/// Short lists: what holds for three holds for more.
const FEW: std::ops::Range<usize> = 0..3;

pub(crate) fn text() -> impl Strategy<Value = String> {
    "[ -~\u{e9}\n]{0,12}"
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), FEW)
}

fn moment() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_micros)
}

fn path() -> impl Strategy<Value = ParameterPath> {
    "[A-Za-z0-9. \u{e9}\\[\\]]{0,30}".prop_map(|text| ParameterPath::from_device(&text).expect("no control character"))
}

fn secret() -> impl Strategy<Value = Secret> {
    text().prop_map(Secret::from)
}

fn id<T>() -> impl Strategy<Value = T>
where
    T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug,
{
    "[A-Za-z0-9_.-]{1,26}".prop_map(|text| text.parse().expect("an id"))
}

pub(crate) fn device() -> impl Strategy<Value = DeviceId> {
    identity().prop_map(|identity| DeviceId::of(&identity))
}

pub(crate) fn task_id() -> impl Strategy<Value = TaskId> {
    id()
}

pub(crate) fn file_id() -> impl Strategy<Value = FileId> {
    id()
}

fn session() -> impl Strategy<Value = SessionId> {
    any::<[u8; 16]>().prop_map(SessionId::from_bytes)
}

fn stamp() -> impl Strategy<Value = SessionStamp> {
    any::<i64>().prop_map(SessionStamp::from_micros)
}

fn address() -> impl Strategy<Value = Option<IpAddr>> {
    of(any::<IpAddr>())
}

fn identity() -> impl Strategy<Value = DeviceIdentity> {
    (text(), text(), text(), text()).prop_map(|(manufacturer, oui, product_class, serial_number)| DeviceIdentity {
        manufacturer,
        oui,
        product_class,
        serial_number,
    })
}

fn value_type() -> impl Strategy<Value = ValueType> {
    select(ValueType::ALL.to_vec())
}

fn value() -> impl Strategy<Value = Value> {
    (value_type(), text()).prop_map(|(kind, text)| Value { kind, text })
}

fn parameter_value() -> impl Strategy<Value = ParameterValue> {
    (path(), value()).prop_map(|(name, value)| ParameterValue { name, value })
}

fn auth() -> impl Strategy<Value = AuthLevel> {
    select(AuthLevel::ALL.to_vec())
}

fn file_type() -> impl Strategy<Value = FileType> {
    use FileType::{Firmware, Ringer, StoredFirmware, Tone, Vendor, VendorConfiguration, WebContent};
    let standard = [Firmware, WebContent, VendorConfiguration, Tone, Ringer, StoredFirmware];
    prop_oneof![select(standard.to_vec()), "X [0-9A-F]{6} [ -~]{0,8}".prop_map(Vendor)]
}

// === tasks ===

fn set_value() -> impl Strategy<Value = SetValue> {
    (path(), of(value_type()), secret()).prop_map(|(path, kind, text)| SetValue { path, kind, text })
}

fn download() -> impl Strategy<Value = DownloadSpec> {
    let url = (text(), text(), secret(), any::<u32>())
        .prop_map(|(url, username, password, file_size)| DownloadSource::Url { url, username, password, file_size });
    let source = prop_oneof![file_id().prop_map(DownloadSource::File), url];
    (file_type(), source, text(), any::<u32>()).prop_map(|(file_type, source, target_file_name, delay_seconds)| {
        DownloadSpec { file_type, source, target_file_name, delay_seconds }
    })
}

fn spec() -> impl Strategy<Value = TaskSpec> {
    prop_oneof![
        vec(path(), FEW).prop_map(|paths| TaskSpec::GetValues { paths }),
        vec(set_value(), FEW).prop_map(|values| TaskSpec::SetValues { values }),
        (path(), any::<bool>()).prop_map(|(path, next_level)| TaskSpec::GetNames { path, next_level }),
        path().prop_map(|path| TaskSpec::Refresh { path }),
        (path(), vec(set_value(), FEW)).prop_map(|(object, values)| TaskSpec::AddObject { object, values }),
        path().prop_map(|object| TaskSpec::DeleteObject { object }),
        download().prop_map(TaskSpec::Download),
        select(vec![TaskSpec::Reboot, TaskSpec::FactoryReset, TaskSpec::Discover, TaskSpec::SetCredentials]),
    ]
}

fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        text().prop_map(|principal| Origin::Request { principal }),
        select(Obligation::ALL.to_vec()).prop_map(Origin::Obligation),
    ]
}

fn state() -> impl Strategy<Value = TaskState> {
    use TaskState::*;
    prop_oneof![
        any::<u32>().prop_map(|attempt| Sending { attempt }),
        (any::<u32>(), select(Evidence::ALL.to_vec()), moment()).prop_map(|(attempt, evidence, until)| Awaiting {
            attempt,
            evidence,
            until
        }),
        any::<u32>().prop_map(|attempt| Unknown { attempt }),
        select(Applied::ALL.to_vec()).prop_map(|applied| Done { applied }),
        select(vec![
            Queued,
            Failed,
            ResolvedApplied,
            ResolvedNotApplied,
            NeedsOperator,
            Cancelled,
            Expired,
            Quarantined
        ]),
    ]
}

fn attempt_outcome() -> impl Strategy<Value = AttemptOutcome> {
    use AttemptOutcome::{Answered, Fault, ProvedApplied, ProvedNotApplied, Unanswered};
    prop_oneof![any::<u32>().prop_map(Fault), select(vec![Answered, Unanswered, ProvedApplied, ProvedNotApplied])]
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let what = (any::<u32>(), id(), session(), select(AttemptReason::ALL.to_vec()), text());
    let when = (moment(), moment(), of(moment()), of(attempt_outcome()), text(), vec(any::<u32>(), FEW));
    (what, when).prop_map(|((number, id, session, reason, method), when)| {
        let (started_at, deadline, answered_at, outcome, key_before, instances_before) = when;
        Attempt {
            number,
            id,
            session,
            reason,
            method,
            started_at,
            deadline,
            answered_at,
            outcome,
            key_before,
            instances_before,
        }
    })
}

fn task_fault() -> impl Strategy<Value = TaskFault> {
    let parameter =
        (path(), any::<u32>(), text()).prop_map(|(name, code, text)| ParameterFaultRecord { name, code, text });
    (any::<u32>(), text(), vec(parameter, FEW)).prop_map(|(code, text, parameters)| TaskFault {
        code,
        text,
        parameters,
    })
}

fn task_result() -> impl Strategy<Value = TaskResult> {
    prop_oneof![
        vec(parameter_value(), FEW).prop_map(TaskResult::Values),
        (any::<u32>(), any::<u32>()).prop_map(|(names, values)| TaskResult::Counts { names, values }),
        path().prop_map(|object| TaskResult::Instance { object }),
        (text(), text()).prop_map(|(start_time, complete_time)| {
            TaskResult::Transfer(TransferResult { start_time, complete_time })
        }),
    ]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    select(Wanted::ALL.to_vec())
}

pub(crate) fn task() -> impl Strategy<Value = Task> {
    let what = (task_id(), id(), device(), spec(), wanted(), origin(), any::<u8>());
    let life = (moment(), of(moment()), state(), any::<u64>(), vec(attempt(), FEW), any::<u32>());
    let excuses = (vec(session(), FEW), any::<u32>());
    let rest = (
        select(AttemptReason::ALL.to_vec()),
        any::<bool>(),
        of(task_result()),
        of(task_fault()),
        any::<[u8; 32]>(),
        moment(),
    );
    (what, life, excuses, rest).prop_map(|(what, life, excuses, rest)| {
        let (id, tenant, device, spec, wanted, origin, priority) = what;
        let (created_at, expires_at, state, revision, attempts, unanswered) = life;
        let (unanswered_in, excused) = excuses;
        let (next_reason, cancel_requested, result, fault, body_sha256, updated_at) = rest;
        Task {
            id,
            tenant,
            device,
            spec,
            wanted,
            origin,
            priority,
            created_at,
            expires_at,
            state,
            revision,
            attempts,
            unanswered,
            unanswered_in,
            excused,
            next_reason,
            cancel_requested,
            result,
            fault,
            body_sha256,
            updated_at,
        }
    })
}

// === devices ===

pub(crate) fn summary() -> impl Strategy<Value = DeviceSummary> {
    let names = (device(), id(), text(), identity(), path(), text(), text(), text());
    let reported = (text(), text(), text(), address(), auth());
    let times = (moment(), moment(), texts(), of(moment()), of(moment()), session(), stamp(), of(moment()));
    (names, reported, times).prop_map(|(names, reported, times)| {
        let (id, tenant, subscriber_id, identity, root, software_version, hardware_version, provisioning_code) = names;
        let (connection_request_url, parameter_key, cwmp_version, remote, auth) = reported;
        let (first_seen, last_inform, last_events, last_boot, last_bootstrap, last_session, last_stamp, discovered_at) =
            times;
        DeviceSummary {
            id,
            tenant,
            subscriber_id,
            identity,
            root,
            software_version,
            hardware_version,
            provisioning_code,
            connection_request_url,
            parameter_key,
            cwmp_version,
            remote,
            auth,
            first_seen,
            last_inform,
            last_events,
            last_boot,
            last_bootstrap,
            last_session,
            last_stamp,
            discovered_at,
        }
    })
}

fn presence() -> impl Strategy<Value = Presence> {
    (moment(), session(), texts(), text(), address(), auth(), any::<bool>(), any::<bool>()).prop_map(
        |(at, session, events, cwmp_version, remote, auth, boot, bootstrap)| Presence {
            at,
            session,
            events,
            cwmp_version,
            remote,
            auth,
            boot,
            bootstrap,
        },
    )
}

pub(crate) fn patch() -> impl Strategy<Value = SummaryPatch> {
    let names = (stamp(), of(identity()), of(id()), of(text()), of(path()), of(text()));
    let reported = (of(text()), of(text()), of(text()), of(text()), of(presence()), of(moment()));
    (names, reported).prop_map(|(names, reported)| {
        let (stamp, identity, tenant, subscriber_id, root, software_version) = names;
        let (hardware_version, provisioning_code, connection_request_url, parameter_key, presence, discovered_at) =
            reported;
        SummaryPatch {
            stamp,
            identity,
            tenant,
            subscriber_id,
            root,
            software_version,
            hardware_version,
            provisioning_code,
            connection_request_url,
            parameter_key,
            presence,
            discovered_at,
        }
    })
}

pub(crate) fn holder() -> impl Strategy<Value = Holder> {
    (session(), stamp()).prop_map(|(session, stamp)| Holder { session, stamp })
}

pub(crate) fn object() -> impl Strategy<Value = ObjectRecord> {
    let parameter = (text(), of(any::<bool>()), of(value()), moment(), any::<bool>()).prop_map(
        |(name, writable, value, value_at, secret)| ParameterRecord { name, writable, value, value_at, secret },
    );
    (path(), of(any::<bool>()), of(moment()), vec(parameter, FEW))
        .prop_map(|(path, writable, named_at, parameters)| ObjectRecord { path, writable, named_at, parameters })
}

pub(crate) fn notes() -> impl Strategy<Value = ModelNotes> {
    (any::<bool>(), vec(path(), FEW), any::<u32>(), vec(text(), FEW)).prop_map(
        |(names_per_object, fragile_objects, values_per_request, unsupported_methods)| ModelNotes {
            names_per_object,
            fragile_objects,
            values_per_request,
            unsupported_methods,
        },
    )
}

pub(crate) fn refused() -> impl Strategy<Value = RefusedInform> {
    (moment(), address(), identity(), text(), select(RefusedReason::ALL.to_vec()))
        .prop_map(|(at, remote, identity, username, reason)| RefusedInform { at, remote, identity, username, reason })
}

// === sessions, faults, files, access, timers ===

fn session_ref() -> impl Strategy<Value = SessionRef> {
    (device(), session(), stamp(), any::<u32>()).prop_map(|(device, session, stamp, resume)| SessionRef {
        device,
        session,
        stamp,
        resume,
    })
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let phase = select(SessionPhase::ALL.to_vec());
    (moment(), any::<bool>(), phase, text(), any::<u64>(), any::<u64>(), of(task_id()), texts()).prop_map(
        |(at, from_cpe, phase, message, bytes, after_micros, task, remarks)| Exchange {
            at,
            from_cpe,
            phase,
            message,
            bytes,
            after_micros,
            task,
            remarks,
        },
    )
}

pub(crate) fn session_record() -> impl Strategy<Value = SessionRecord> {
    let which = (session_ref(), id(), id(), moment(), moment(), select(SessionOutcome::ALL.to_vec()), text());
    let how = (address(), any::<bool>(), auth(), text(), texts(), any::<u32>());
    let what = (vec(exchange(), FEW), any::<u32>(), any::<u32>(), any::<bool>(), any::<Option<[u8; 32]>>());
    (which, how, what).prop_map(|(which, how, what)| {
        let (at, tenant, front_end, started_at, ended_at, outcome, detail) = which;
        let (remote, tls, auth, cwmp_version, events, retry_count) = how;
        let (exchanges, exchange_count, record_count, complete, record_hash) = what;
        SessionRecord {
            at,
            tenant,
            front_end,
            started_at,
            ended_at,
            outcome,
            detail,
            remote,
            tls,
            auth,
            cwmp_version,
            events,
            retry_count,
            exchanges,
            exchange_count,
            record_count,
            complete,
            record_hash,
        }
    })
}

pub(crate) fn fault_record() -> impl Strategy<Value = FaultRecord> {
    (moment(), id(), device(), session(), of(task_id()), text(), task_fault()).prop_map(
        |(at, tenant, device, session, task, method, fault)| FaultRecord {
            at,
            tenant,
            device,
            session,
            task,
            method,
            fault,
        },
    )
}

pub(crate) fn file_record() -> impl Strategy<Value = FileRecord> {
    let what = (file_id(), id(), text(), file_type(), text());
    (what, any::<u64>(), any::<[u8; 32]>(), moment(), text()).prop_map(
        |((id, tenant, name, file_type, version), size, sha256, created_at, created_by)| FileRecord {
            id,
            tenant,
            name,
            file_type,
            version,
            size,
            sha256,
            created_at,
            created_by,
        },
    )
}

pub(crate) fn token() -> impl Strategy<Value = ApiToken> {
    let scopes = vec(select(Scope::ALL.to_vec()), 0..5);
    (id(), text(), any::<[u8; 32]>(), scopes, moment(), of(moment())).prop_map(
        |(id, principal, sha256, scopes, created_at, expires_at)| ApiToken {
            id,
            principal,
            sha256,
            scopes,
            created_at,
            expires_at,
        },
    )
}

pub(crate) fn audit() -> impl Strategy<Value = AuditRecord> {
    (moment(), id(), text(), of(id()), text(), text(), text()).prop_map(
        |(at, tenant, principal, token, action, object, detail)| AuditRecord {
            at,
            tenant,
            principal,
            token,
            action,
            object,
            detail,
        },
    )
}

pub(crate) fn credential() -> impl Strategy<Value = CpeCredential> {
    (text(), secret(), text(), secret(), secret(), any::<i64>()).prop_map(
        |(username, password, connection_request_username, now, pending, stamp)| CpeCredential {
            username,
            password,
            connection_request_username,
            connection_request_password: now,
            pending_connection_request_password: pending,
            connection_request_stamp: SessionStamp::from_micros(stamp),
        },
    )
}

pub(crate) fn timer() -> impl Strategy<Value = Timer> {
    (moment(), device(), select(TimerKind::ALL.to_vec()), text()).prop_map(|(due, device, kind, reference)| Timer {
        due,
        device,
        kind,
        reference,
    })
}

// === events ===

fn inform_record() -> impl Strategy<Value = InformRecord> {
    let event = (text(), text(), text()).prop_map(|(code, command_key, dedup_key)| InformEvent {
        code,
        command_key,
        dedup_key,
    });
    let parameters = vec(parameter_value(), FEW);
    let way = (address(), auth(), any::<bool>());
    (identity(), vec(event, FEW), any::<u32>(), text(), parameters, text(), way).prop_map(
        |(identity, events, retry_count, current_time, parameters, cwmp_version, (remote, auth, tls))| InformRecord {
            identity,
            events,
            retry_count,
            current_time,
            parameters,
            cwmp_version,
            remote,
            auth,
            tls,
        },
    )
}

fn transfer_record() -> impl Strategy<Value = TransferRecord> {
    (text(), task_fault(), text(), text(), text()).prop_map(
        |(command_key, fault, start_time, complete_time, dedup_key)| TransferRecord {
            command_key,
            fault,
            start_time,
            complete_time,
            dedup_key,
        },
    )
}

fn transition() -> impl Strategy<Value = TaskTransition> {
    let kind = select(TaskKind::ALL.to_vec());
    (task_id(), kind, text(), text(), any::<u32>(), any::<u64>(), of(task_fault())).prop_map(
        |(task, kind, from, to, attempt, revision, fault)| TaskTransition {
            task,
            kind,
            from,
            to,
            attempt,
            revision,
            fault,
        },
    )
}

fn device_change() -> impl Strategy<Value = DeviceChange> {
    use DeviceChange::{AddressChanged, Booted, Bootstrapped, Deleted, FirmwareChanged, FirstSeen};
    prop_oneof![
        (text(), text()).prop_map(|(from, to)| FirmwareChanged { from, to }),
        (text(), text()).prop_map(|(from, to)| AddressChanged { from, to }),
        select(vec![FirstSeen, Bootstrapped, Booted, Deleted]),
    ]
}

fn body() -> impl Strategy<Value = EventBody> {
    prop_oneof![
        inform_record().prop_map(|record| EventBody::Inform(Box::new(record))),
        transfer_record().prop_map(EventBody::Transfer),
        session_record().prop_map(|record| EventBody::SessionEnded(Box::new(record))),
        transition().prop_map(|record| EventBody::Task(Box::new(record))),
        device_change().prop_map(EventBody::Device),
        refused().prop_map(EventBody::Refused),
        audit().prop_map(EventBody::Audit),
        (any::<u64>(), any::<u64>(), any::<u64>())
            .prop_map(|(first, last, count)| EventBody::ControlTotals(ControlTotals { first, last, count })),
    ]
}

pub(crate) fn event() -> impl Strategy<Value = EventRecord> {
    let position =
        (stamp(), any::<u32>(), any::<u32>()).prop_map(|(stamp, resume, seq)| Position { stamp, resume, seq });
    let event_id = any::<[u8; 16]>().prop_map(EventId::from_bytes);
    let about = (event_id, of(device()), id(), text(), of(session()), position);
    (about, moment(), id(), any::<u64>(), any::<bool>(), body()).prop_map(
        |(about, occurred_at, emitter, emitter_seq, late, body)| {
            let (event_id, device, tenant, subscriber_id, session, position) = about;
            EventRecord {
                event_id,
                device,
                tenant,
                subscriber_id,
                session,
                position,
                occurred_at,
                emitter,
                emitter_seq,
                late,
                body,
            }
        },
    )
}

pub(crate) fn events() -> impl Strategy<Value = Vec<EventRecord>> {
    vec(event(), FEW)
}

// === requests and replies ===

pub(crate) fn service_error() -> impl Strategy<Value = ServiceError> {
    use ErrorClass::{Conflict, Denied, Exhausted, Internal, Invalid, NotFound, Superseded, Unavailable};
    let class = select(vec![Invalid, NotFound, Conflict, Denied, Exhausted, Unavailable, Superseded, Internal]);
    (class, "[a-z_]{1,20}", text(), vec((text(), text()), FEW)).prop_map(|(class, code, text, fields)| ServiceError {
        class,
        code,
        text,
        fields,
    })
}

fn version() -> impl Strategy<Value = CwmpVersion> {
    select(CwmpVersion::ALL.to_vec())
}

fn inform() -> impl Strategy<Value = Inform> {
    let event = (text(), text()).prop_map(|(code, command_key)| Event { code, command_key });
    let parameters = vec(parameter_value(), FEW);
    (identity(), vec(event, FEW), any::<u32>(), text(), any::<u32>(), parameters).prop_map(
        |(device, events, max_envelopes, current_time, retry_count, parameters)| Inform {
            device,
            events,
            max_envelopes,
            current_time,
            retry_count,
            parameters,
        },
    )
}

fn fault() -> impl Strategy<Value = Fault> {
    let parameter = (path(), any::<u32>(), text()).prop_map(|(name, code, text)| ParameterFault { name, code, text });
    (any::<u32>(), text(), vec(parameter, FEW)).prop_map(|(code, text, parameters)| Fault { code, text, parameters })
}

fn download_call() -> impl Strategy<Value = Download> {
    let file = (text(), text(), text(), text(), text());
    let rest = (any::<u32>(), text(), any::<u32>(), text(), text());
    (file, rest).prop_map(|(file, rest)| {
        let (command_key, file_type, url, username, password) = file;
        let (file_size, target_file_name, delay_seconds, success_url, failure_url) = rest;
        Download {
            command_key,
            file_type,
            url,
            username,
            password,
            file_size,
            target_file_name,
            delay_seconds,
            success_url,
            failure_url,
        }
    })
}

fn acs_request() -> impl Strategy<Value = AcsRequest> {
    prop_oneof![
        (vec(parameter_value(), FEW), text()).prop_map(|(parameters, parameter_key)| {
            AcsRequest::SetParameterValues(SetParameterValues { parameters, parameter_key })
        }),
        vec(path(), FEW).prop_map(|names| AcsRequest::GetParameterValues(GetParameterValues { names })),
        (path(), any::<bool>())
            .prop_map(|(path, next_level)| AcsRequest::GetParameterNames(GetParameterNames { path, next_level })),
        (path(), text()).prop_map(|(object, parameter_key)| AcsRequest::AddObject(AddObject { object, parameter_key })),
        (path(), text())
            .prop_map(|(object, parameter_key)| AcsRequest::DeleteObject(DeleteObject { object, parameter_key })),
        download_call().prop_map(AcsRequest::Download),
        text().prop_map(|command_key| AcsRequest::Reboot { command_key }),
        select(vec![AcsRequest::GetRpcMethods, AcsRequest::FactoryReset]),
    ]
}

fn cpe_response() -> impl Strategy<Value = CpeResponse> {
    let info = (path(), any::<bool>()).prop_map(|(name, writable)| ParameterInfo { name, writable });
    prop_oneof![
        texts().prop_map(|methods| CpeResponse::GetRpcMethods(GetRpcMethodsResponse { methods })),
        any::<u32>().prop_map(|status| CpeResponse::SetParameterValues(SetParameterValuesResponse { status })),
        vec(parameter_value(), FEW)
            .prop_map(|parameters| CpeResponse::GetParameterValues(GetParameterValuesResponse { parameters })),
        vec(info, FEW).prop_map(|parameters| CpeResponse::GetParameterNames(GetParameterNamesResponse { parameters })),
        (any::<u32>(), any::<u32>())
            .prop_map(|(instance, status)| CpeResponse::AddObject(AddObjectResponse { instance, status })),
        any::<u32>().prop_map(|status| CpeResponse::DeleteObject(DeleteObjectResponse { status })),
        (any::<u32>(), text(), text()).prop_map(|(status, start_time, complete_time)| {
            CpeResponse::Download(DownloadResponse { status, start_time, complete_time })
        }),
        select(vec![CpeResponse::Reboot, CpeResponse::FactoryReset]),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    use UnansweredReason::{NotSent, Silence, Unusable};
    let outcome = prop_oneof![
        cpe_response().prop_map(AnswerOutcome::Response),
        fault().prop_map(AnswerOutcome::Fault),
        select(vec![NotSent, Silence, Unusable]).prop_map(AnswerOutcome::Unanswered),
    ];
    (text(), of(task_id()), of(id()), moment(), outcome).prop_map(|(id, task, attempt, at, outcome)| Answer {
        id,
        task,
        attempt,
        at,
        outcome,
    })
}

pub(crate) fn verifier_request() -> impl Strategy<Value = VerifierRequest> {
    text().prop_map(|username| VerifierRequest { username })
}

pub(crate) fn verifier_reply() -> impl Strategy<Value = VerifierReply> {
    let verifier = (of(device()), secret()).prop_map(|(device, password)| CpeVerifier { device, password });
    of(verifier).prop_map(|verifier| VerifierReply { verifier })
}

pub(crate) fn begin_request() -> impl Strategy<Value = BeginRequest> {
    let event_id = any::<[u8; 16]>().prop_map(EventId::from_bytes);
    (session_ref(), id(), event_id, moment(), inform(), version(), auth(), any::<bool>(), address()).prop_map(
        |(session, tenant, event_id, at, inform, version, auth, tls, remote)| BeginRequest {
            session,
            tenant,
            event_id,
            at,
            inform,
            version,
            auth,
            tls,
            remote,
        },
    )
}

pub(crate) fn begin_reply() -> impl Strategy<Value = BeginReply> {
    (any::<bool>(), text(), any::<bool>(), any::<i64>()).prop_map(|(work, subscriber_id, stale, last)| BeginReply {
        work,
        subscriber_id,
        stale,
        last_stamp: SessionStamp::from_micros(last),
    })
}

pub(crate) fn next_request() -> impl Strategy<Value = NextRequest> {
    (session_ref(), moment(), moment(), version(), auth(), any::<bool>(), address(), vec(answer(), FEW)).prop_map(
        |(session, at, deadline, version, auth, tls, remote, answers)| NextRequest {
            session,
            at,
            deadline,
            version,
            auth,
            tls,
            remote,
            answers,
        },
    )
}

pub(crate) fn next_reply() -> impl Strategy<Value = NextReply> {
    let call = (text(), task_id(), of(id()), acs_request()).prop_map(|(id, task, attempt, request)| Call {
        id,
        task,
        attempt,
        request,
    });
    vec(call, FEW).prop_map(|calls| NextReply { calls })
}

pub(crate) fn end_request() -> impl Strategy<Value = EndRequest> {
    (session_ref(), moment(), select(SessionOutcome::ALL.to_vec()), vec(answer(), FEW))
        .prop_map(|(session, at, outcome, answers)| EndRequest { session, at, outcome, answers })
}

pub(crate) fn end_reply() -> impl Strategy<Value = EndReply> {
    any::<bool>().prop_map(|wakes| EndReply { wakes })
}

pub(crate) fn enqueue_request() -> impl Strategy<Value = EnqueueRequest> {
    (device(), id(), text(), text(), any::<[u8; 32]>(), spec(), wanted(), of(moment())).prop_map(
        |(device, tenant, principal, key, body_sha256, spec, wanted, expires_at)| EnqueueRequest {
            device,
            tenant,
            principal,
            key,
            body_sha256,
            spec,
            wanted,
            expires_at,
        },
    )
}

pub(crate) fn enqueue_reply() -> impl Strategy<Value = EnqueueReply> {
    (task(), any::<bool>(), of(wake_outcome())).prop_map(|(task, created, wake)| EnqueueReply { task, created, wake })
}

pub(crate) fn cancel_reply() -> impl Strategy<Value = CancelReply> {
    task().prop_map(|task| CancelReply { task })
}

/// The states of a watched task; an error ends the stream.
pub(crate) fn watched() -> impl Strategy<Value = Vec<Result<Task, ServiceError>>> {
    (vec(task(), FEW), of(service_error())).prop_map(|(tasks, error)| {
        let tasks = tasks.into_iter().map(Ok);
        tasks.chain(error.map(Err)).collect()
    })
}

pub(crate) fn wake_request() -> impl Strategy<Value = WakeRequest> {
    (device(), text(), text(), secret(), any::<bool>()).prop_map(|(device, url, username, password, allow_basic)| {
        WakeRequest { device, url, username, password, allow_basic }
    })
}

pub(crate) fn wake_outcome() -> impl Strategy<Value = WakeOutcome> {
    use WakeOutcome::{Accepted, Busy, NotSent, Refused, Unreachable, WrongCredentials};
    prop_oneof![
        text().prop_map(|reason| NotSent { reason }),
        text().prop_map(|reason| Refused { reason }),
        text().prop_map(|reason| Unreachable { reason }),
        select(vec![Accepted, Busy, WrongCredentials]),
    ]
}

pub(crate) fn new_file() -> impl Strategy<Value = NewFile> {
    (id(), text(), file_type(), text(), text()).prop_map(|(tenant, name, file_type, version, created_by)| NewFile {
        tenant,
        name,
        file_type,
        version,
        created_by,
    })
}

pub(crate) fn signed_url() -> impl Strategy<Value = SignedUrl> {
    (text(), any::<u64>()).prop_map(|(url, size)| SignedUrl { url, size })
}
