use acs_types::ModelNotes;

use super::{RecordError, SecretSeal, Wire, field};
use crate::v1;

impl Wire for ModelNotes {
    type Message = v1::ModelNotes;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::ModelNotes {
        v1::ModelNotes {
            names_per_object: self.names_per_object,
            fragile_objects: field::path_texts(&self.fragile_objects),
            values_per_request: self.values_per_request,
            unsupported_methods: self.unsupported_methods.clone(),
        }
    }

    fn from_wire(message: v1::ModelNotes, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            names_per_object: message.names_per_object,
            fragile_objects: field::paths(&message.fragile_objects, "ModelNotes.fragile_objects")?,
            values_per_request: message.values_per_request,
            unsupported_methods: message.unsupported_methods,
        })
    }
}
