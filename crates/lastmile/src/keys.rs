//! `lastmile keys`: the key ring on disk.

use std::path::Path;

use acs_keyring::KeyRing;

use crate::cli::KeysCommand;

/// Where the keys lie in a data folder.
pub(crate) const FOLDER: &str = "keys";

pub(crate) fn run(command: &KeysCommand) -> anyhow::Result<()> {
    match command {
        KeysCommand::Rotate { data_dir } => {
            let id = acs_keyring::rotate(&data_dir.join(FOLDER))?;
            println!("key {id} is active; older keys still open what they sealed. Restart the server to use it.");
        }
        KeysCommand::List { data_dir } => list(data_dir)?,
    }
    Ok(())
}

fn list(data: &Path) -> anyhow::Result<()> {
    let ring = KeyRing::open(&data.join(FOLDER))?;
    for id in ring.ids() {
        println!("{id}{}", if id == ring.active() { "  active" } else { "" });
    }
    Ok(())
}
