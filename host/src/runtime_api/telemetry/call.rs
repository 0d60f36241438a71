//! `PUT /2022-07-01/telemetry` and `PUT /2020-08-15/logs`.
//!
//! # Sources
//! `reference/runtime-api.md` 3.1.

use std::time::Instant;

use http::HeaderMap;
use hyper::body::Incoming;

use super::hub::names;
use super::subscription::{Destination, Invalid, Subscription};
use crate::model::SubscribedTo;
use crate::runtime_api::extensions::{self, ExtensionRefusal, identifier};
use crate::runtime_api::reply::{self, Reply};
use crate::runtime_api::shared::Shared;
use crate::runtime_api::signal::{ExtensionSignal, Signal};

/// Which of the two APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    Telemetry,
    Logs,
}

impl Api {
    /// What a path names, whatever the method.
    pub(crate) fn of(path: &str) -> Option<Self> {
        match path {
            "/2022-07-01/telemetry" => Some(Self::Telemetry),
            "/2020-08-15/logs" => Some(Self::Logs),
            _ => None,
        }
    }

    fn closed(self) -> Reply {
        match self {
            Self::Telemetry => reply::forbidden(
                "Telemetry.SubscriptionClosed",
                "Telemetry API subscription is closed",
            ),
            Self::Logs => {
                reply::forbidden("Logs.SubscriptionClosed", "Logs API subscription is closed")
            }
        }
    }

    fn invalid(self, invalid: &Invalid) -> Reply {
        let error_type = match self {
            Self::Telemetry => "ValidationError",
            Self::Logs => "Logs.ValidationError",
        };
        reply::bad_request(error_type, &invalid.to_string())
    }
}

/// `Err` may leave the body unread.
pub(crate) async fn subscribe(
    shared: &Shared,
    api: Api,
    headers: &HeaderMap,
    incoming: &mut Incoming,
) -> Result<Reply, Reply> {
    let id = identifier(headers)?;
    let name = {
        let session = shared.session();
        let name = session.extensions.name_of(id);
        let name = name.ok_or(ExtensionRefusal::UnknownExtension { id })?.to_owned();
        if session.extensions.init_is_over() {
            return Err(api.closed());
        }
        name
    };
    let body = extensions::collect(headers, incoming).await?;
    let invalid = |invalid: Invalid| api.invalid(&invalid);
    let subscription = Subscription::parse(api, &body).map_err(invalid)?;
    if shared.telemetry.uses_other(id, api) {
        let problem = "an extension may not use both the Logs API and the Telemetry API";
        return Err(invalid(Invalid::one(problem)));
    }
    // The listener has to be there: nobody would hear of its absence later.
    let connected = match subscription.destination {
        Destination::Tcp { port } => {
            let connected = shared.telemetry.sockets.connect(port).await;
            Some(connected.map_err(|error| {
                let problem = format!("destination port {port} does not accept connections");
                invalid(Invalid::one(format!("{problem}: {error}")))
            })?)
        }
        Destination::Http { .. } => None,
    };
    let permit = shared.permit().await?;
    let types = names(&subscription.types);
    let session = shared.session();
    if session.extensions.init_is_over() {
        return Err(api.closed());
    }
    let state = shared.telemetry.subscribe(id, subscription, connected);
    let api = match api {
        Api::Telemetry => SubscribedTo::Telemetry,
        Api::Logs => SubscribedTo::Logs,
    };
    let signal = ExtensionSignal::Subscribed { name, api, state, types, at: Instant::now() };
    permit.send(Signal::Extension(signal));
    Ok(reply::json(&"OK".into()))
}
