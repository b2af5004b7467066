use std::sync::Arc;

use tokio::sync::watch;

use crate::connection::{ConnectError, Connection, Connector};
use crate::metrics::Metrics;

/// The connection that all calls share. It comes when the first call wants it, beside that call, and again after a loss:
/// the driver's own reconnecting knows no Sentinels and reads no rotated certificates.
pub(crate) struct Link {
    connector: Arc<Connector>,
    metrics: Arc<Metrics>,
    state: watch::Sender<State>,
}

#[derive(Clone)]
enum State {
    Idle,
    Connecting,
    Failed(ConnectError),
    Ready(Linked),
}

/// A connection, told apart from those before it.
#[derive(Clone)]
pub(crate) struct Linked {
    pub(crate) connection: Connection,
    number: Arc<()>,
}

impl Link {
    pub(crate) fn new(connector: Connector, metrics: Arc<Metrics>) -> Self {
        Self { connector: Arc::new(connector), metrics, state: watch::Sender::new(State::Idle) }
    }

    /// The connection, as soon as it is there.
    pub(crate) async fn get(&self) -> Result<Linked, ConnectError> {
        let mut state = self.state.subscribe();
        // What failed before says nothing about now.
        self.connect_if(|state| matches!(state, State::Idle | State::Failed(_)));
        loop {
            let now = state.borrow_and_update().clone();
            match now {
                State::Ready(linked) => return Ok(linked),
                State::Failed(error) => return Err(error),
                // It came and was lost since.
                State::Idle => self.connect_if(|state| matches!(state, State::Idle)),
                State::Connecting => state.changed().await.map_err(|_| ConnectError::Panic)?,
            }
        }
    }

    /// This connection is not worth another call.
    pub(crate) fn lost(&self, linked: &Linked) {
        self.state.send_if_modified(|state| {
            let is_it = matches!(state, State::Ready(now) if Arc::ptr_eq(&now.number, &linked.number));
            if is_it {
                *state = State::Idle;
            }
            is_it
        });
    }

    /// The connection of now is not worth another call. One that is just coming stays.
    pub(crate) fn reset(&self) {
        self.state.send_if_modified(|state| {
            let is_ready = matches!(state, State::Ready(_));
            if is_ready {
                *state = State::Idle;
            }
            is_ready
        });
    }

    fn connect_if(&self, wanted: impl FnOnce(&State) -> bool) {
        let begins = self.state.send_if_modified(|state| {
            let begins = wanted(state);
            if begins {
                *state = State::Connecting;
            }
            begins
        });
        if begins {
            tokio::spawn(connect(Arc::clone(&self.connector), Arc::clone(&self.metrics), self.state.clone()));
        }
    }
}

async fn connect(connector: Arc<Connector>, metrics: Arc<Metrics>, state: watch::Sender<State>) {
    let addresses = connector.addresses().clone();
    // A task of its own: should the driver panic, calls must not wait for ever.
    let connected = tokio::spawn(async move { connector.connect().await }).await.unwrap_or(Err(ConnectError::Panic));
    metrics.connected(connected.is_ok());
    state.send_replace(match connected {
        Ok(connection) => State::Ready(Linked { connection, number: Arc::new(()) }),
        Err(error) => {
            tracing::debug!(%error, %addresses, "no connection to redis");
            State::Failed(error)
        }
    });
}
