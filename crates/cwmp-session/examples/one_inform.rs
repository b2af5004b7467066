//! One session of the ACS, driven by hand: an Inform, one task, the end. No sockets; the "network" is this file.
//!
//! `cargo run -p cwmp-session --example one_inform`

use cwmp_codec::{
    AcsRequest, CpeRequest, CpeResponse, CwmpNamespace, Envelope, GetParameterValues, GetParameterValuesResponse,
    Header, Inform, Message,
};
use cwmp_model::{ParameterPath, ParameterValue, Timestamp, Value};
use cwmp_session::AcsSession;
use cwmp_session::acs::{Begun, Call, Config, Input, Output, Post, Step};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let now = Timestamp::from_seconds(1_800_000_000);
    let mut session = AcsSession::new(Config::default(), now);
    let version = ParameterPath::new("Device.DeviceInfo.SoftwareVersion")?;

    // What the device sends. Behind a socket these come from `cwmp_codec::decode`.
    let inform = Message::CpeRequest(CpeRequest::Inform(Inform::default()));
    let value = ParameterValue { name: version.clone(), value: Value::string("1.2.3") };
    let values = GetParameterValuesResponse { parameters: vec![value] };
    let answer = Message::CpeResponse(CpeResponse::GetParameterValues(values));
    let posts = [Post::envelope(says("1", inform)), Post::empty(), Post::envelope(says("task-1", answer))];

    // What there is to do for it. In the product this comes from provisioning.
    let request = AcsRequest::GetParameterValues(GetParameterValues { names: vec![version] });
    let mut work = vec![Call { id: "task-1".to_owned(), request, label: "read the version".to_owned() }];

    for post in posts {
        println!("phase: {}", session.phase().as_str());
        let mut input = Some(Input::Post(post));
        // One input, then all its outputs; a question among them is the next input.
        while let Some(next) = input.take() {
            session.handle(now, next);
            while let Some(output) = session.poll_output() {
                match output {
                    Output::Begin(facts) => {
                        println!("  durable now: the Inform, in {:?}", facts.version);
                        input = Some(Input::Begun(Begun::Accepted { work: true }));
                    }
                    Output::Record(_) => input = Some(Input::Recorded(Ok(()))),
                    Output::NeedStep { answers } => {
                        answers.iter().for_each(|answer| println!("  {}: {:?}", answer.label, answer.outcome));
                        let calls = std::mem::take(&mut work);
                        input = Some(Input::Step(if calls.is_empty() { Step::Nothing } else { Step::Calls(calls) }));
                    }
                    Output::Reply(reply) => println!("  reply {}: {:?}", reply.status, reply.envelope()),
                    Output::Remark(remark) => println!("  forgiven: {}", remark.as_str()),
                    Output::Wait(until) => println!("  wait until {until}"),
                    Output::Closed(end) => println!("  closed, {}: {}", end.outcome.as_str(), end.detail),
                }
            }
        }
    }
    Ok(())
}

fn says(id: &str, message: Message) -> Envelope {
    let header = Header { id: Some(id.to_owned()), ..Header::default() };
    Envelope { namespace: Some(CwmpNamespace::V1_0), header, message }
}
