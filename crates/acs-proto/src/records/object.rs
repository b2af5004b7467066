use acs_types::{ObjectRecord, ParameterRecord};
use cwmp_model::{Timestamp, Value, ValueType};

use super::{Enumerated, RecordError, SecretSeal, Wire, field};
use crate::v1;

impl Wire for ObjectRecord {
    type Message = v1::ObjectRecord;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::ObjectRecord {
        v1::ObjectRecord {
            path: self.path.to_string(),
            writable: self.writable,
            named_at: field::micros(self.named_at),
            parameters: field::list(&self.parameters, seal),
        }
    }

    fn from_wire(message: v1::ObjectRecord, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let path = field::path(&message.path, "ObjectRecord.path")?;
        let parameters =
            field::read_list(message.parameters, seal).map_err(|error| error.of_record(|| format!("object {path}")))?;
        Ok(Self { writable: message.writable, named_at: field::moment(message.named_at), parameters, path })
    }
}

impl Wire for ParameterRecord {
    type Message = v1::ParameterRecord;

    fn to_wire(&self, seal: &dyn SecretSeal) -> v1::ParameterRecord {
        let text = self.value.as_ref().map_or("", |value| &value.text);
        let (plain, hidden) = if self.secret { ("", text) } else { (text, "") };
        v1::ParameterRecord {
            name: self.name.clone(),
            writable: self.writable,
            r#type: self.value.as_ref().map_or(0, |value| value.kind.number()),
            text: plain.to_owned(),
            sealed_text: field::sealed(hidden, seal),
            value_at: self.value_at.as_micros(),
            secret: self.secret,
        }
    }

    fn from_wire(message: v1::ParameterRecord, seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        let text = if message.secret {
            field::opened(&message.sealed_text, seal, || format!("the value of {}", message.name))?
        } else {
            message.text
        };
        let value = match message.r#type {
            0 => None,
            number => Some(Value { kind: ValueType::from_number(number, "ParameterRecord.type")?, text }),
        };
        Ok(Self {
            name: message.name,
            writable: message.writable,
            value,
            value_at: Timestamp::from_micros(message.value_at),
            secret: message.secret,
        })
    }
}
