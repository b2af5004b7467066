//! The one key ring of a deployment: it serves cookies, Digest nonces, signed URLs and secrets at rest (`design.md` §4.3).
//!
//! A ring is a folder of key files. One key is active: it seals and signs. Every key of the ring opens and verifies, so
//! what an older key sealed stays good until its file is removed. From each key one subkey per [`Purpose`] is derived; a
//! thing sealed for one purpose never opens for another. Who may use what until when (expiry, binding to a device) is the
//! caller's: it belongs into the plaintext or the associated data.
//!
//! Invariants:
//! - Each sealed thing begins with the tag of its key; the format is for ever (`testdata/v1`).
//! - A missing, short, weak or foreign-readable key is an error, never a fallback (P23).
//! - Keys are never printed, and wiped from memory when dropped (P26).
//!
//! Where to start: [`KeyRing::open`], [`KeyRing::seal`]; files and rotation are in [`folder`].

pub mod folder;
mod key;
mod ring;

pub use folder::{FolderError, activate, add, rotate};
pub use key::{KEY_MIN, Purpose};
pub use ring::{KeyRing, MAC_LEN, MAC_MIN, SEAL_OVERHEAD, Unsealable, sealed_text_len};
