//! `lambdabox deploy`: a function on a host becomes what is asked for, or is told to be so already.
//!
//! # Invariants
//! - Success is said when the host serves what was asked for, not when it has accepted it.
//! - Nothing is sent that the host has: a layer or code of the same hash, settings that are the same.
//!
//! # Sources
//! `reference/lambda-service.md` sections 4, 6 and 12.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lambdabox_runtimes::discover::{self, Compat, Interpreter, Search};
use lambdabox_runtimes::{Catalogue, Identifier, Language};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::super::build::built_to_deploy;
use super::super::error::AppError;
use super::api::{Api, Verb, function_path};
use super::call::blocking;
use super::error::ClientError;
use super::layers;
use super::output::print;
use super::packing::{Packed, pack};
use super::progress::Progress;
use super::wanted::Wanted;
use crate::catalog::{self, Inference, Origin};
use crate::config::{self, LayerSource, RuntimeCompat, name_of};
use crate::model::{patience, time_scale};
use crate::usage::Say;

/// Nobody checks it; clients insist on one.
const ROLE: &str = "arn:aws:iam::000000000000:role/lambdabox";
/// What a custom runtime is called if nobody says.
const CUSTOM: &str = "provided.al2023";
/// As long as the SDKs' waiters.
const READY_WITHIN: Duration = Duration::from_secs(300);
/// Between two looks at a function: at first, and at most.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const MAX_LOOK: Duration = Duration::from_millis(500);

pub(super) async fn deploy(asked: &config::Deploy, say: Say) -> Result<u8, AppError> {
    let asked = &{
        let asked = asked.clone();
        blocking(move || built_to_deploy(asked, &say)).await?
    };
    let opened = {
        let asked = asked.clone();
        blocking(move || Opened::of(&asked)).await?
    };
    let mut said = opened.said.clone();
    let name = asked.name.clone().unwrap_or_else(|| name_of(&asked.path));
    let done = {
        // Dropped, and with it the line, before anything is said.
        let progress = Arc::new(Progress::start(asked.verbosity));
        let api = Api::new(&asked.endpoint);
        let deploying = Deploying { asked, api, name: &name, progress };
        deploying.all(opened, &mut said).await
    };
    said.iter().for_each(|text| say.notice(text));
    let Done { arn, how } = done?;
    say.notice(&format!("{name}: {how}"));
    print(&format!("{arn}\n"))?;
    Ok(0)
}

/// What is in the package.
struct Opened {
    inference: Inference,
    /// The zip, or the directory to be packed.
    root: PathBuf,
    said: Vec<String>,
}

impl Opened {
    /// Looks into package and layers, as `invoke` does. Blocks.
    fn of(asked: &config::Deploy) -> Result<Self, AppError> {
        let workspace = tempfile::tempdir()
            .map_err(|source| AppError::Write { path: std::env::temp_dir(), source })?;
        let search = search();
        let homes: Vec<PathBuf> = search.home.iter().chain(&search.sudo_home).cloned().collect();
        let package = catalog::open(&asked.path, workspace.path(), &homes)?;
        let local = layers::local(asked.layers.as_deref().unwrap_or_default());
        let opened = catalog::open_layers(&local, workspace.path(), &package)?;
        let wanted = catalog::Wanted {
            runtime: asked.runtime.as_deref(),
            handler: asked.handler.as_deref(),
            client: None,
        };
        let inference = catalog::infer(wanted, &package, &opened, Catalogue::embedded())?;
        let said =
            [package.warnings.as_slice(), &opened.warnings, &inference.notices, &inference.said];
        let said = said.concat();
        let root = match package.origin {
            Origin::Zip => asked.path.clone(),
            Origin::File | Origin::Directory => package.root,
        };
        Ok(Self { inference, root, said })
    }
}

fn search() -> Search {
    Search { time_scale: time_scale(), ..Search::from_environment() }
}

struct Done {
    arn: String,
    how: String,
}

struct Deploying<'a> {
    asked: &'a config::Deploy,
    api: Api,
    name: &'a str,
    progress: Arc<Progress>,
}

impl Deploying<'_> {
    async fn all(&self, opened: Opened, said: &mut Vec<String>) -> Result<Done, AppError> {
        self.progress.step(format!("asking {}", self.api.endpoint.url));
        let there = self.there().await?;
        let before = there.as_ref().map(|function| &function["Configuration"]);
        let runtime = self.runtime(&opened.inference, before).await?;
        let (root, progress) = (opened.root, Arc::clone(&self.progress));
        let packed = blocking(move || pack(&root, &progress)).await?;
        said.extend(packed.left_out.clone());
        let arns = match &self.asked.layers {
            None => None,
            Some(sources) => Some(self.layers(sources, said).await?),
        };
        let handler = &opened.inference.handler;
        let wanted = Wanted::of(self.asked, &runtime, handler, arns.as_deref());
        let mut how = match before {
            None => {
                self.create(&packed, &wanted).await?;
                let size = indicatif::DecimalBytes(packed.bytes.len() as u64);
                format!("created ({runtime}, {handler}, {size})")
            }
            Some(before) => self.update(before, &packed, &wanted).await?,
        };
        let reserved = there.as_ref().map(|function| &function["Concurrency"]);
        if self.reserve(reserved).await? && how == UNCHANGED {
            "updated (reserved concurrency)".clone_into(&mut how);
        }
        let after = self.ready().await?;
        Ok(Done { arn: after["FunctionArn"].as_str().unwrap_or_default().to_owned(), how })
    }

    /// The function, if the host has it.
    async fn there(&self) -> Result<Option<Value>, AppError> {
        match self.api.get(&self.to("tell of"), &function_path(self.name, "")).await {
            Ok(function) => Ok(Some(function)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What was said or is plain from the package; else what the function has; else what is here.
    async fn runtime(
        &self,
        inference: &Inference,
        before: Option<&Value>,
    ) -> Result<String, AppError> {
        let choice = inference.runtime;
        if let Some(identifier) = choice.identifier {
            return Ok(identifier.to_owned());
        }
        if choice.is_custom() {
            return Ok(CUSTOM.to_owned());
        }
        let has = before.and_then(|before| before["Runtime"].as_str());
        if let Some(has) = has.filter(|has| is_of(has, choice.language)) {
            return Ok(has.to_owned());
        }
        let compat = match self.asked.runtime_compat {
            RuntimeCompat::Exact => Compat::Exact,
            RuntimeCompat::Near => Compat::Near,
        };
        let found = blocking(move || discover::find(choice.language, None, compat, &search()));
        let found = found.await?;
        let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        let change = if before.is_some() { Change::Update } else { Change::New };
        taken_by_aws(choice.language, &found, change, &today)?;
        Ok(found.identifier)
    }

    async fn layers(
        &self,
        sources: &[LayerSource],
        said: &mut Vec<String>,
    ) -> Result<Vec<String>, ClientError> {
        layers::arns(&self.api, sources, &self.progress, said).await
    }

    async fn create(&self, packed: &Packed, wanted: &Wanted) -> Result<(), ClientError> {
        let mut body = wanted.members();
        body.insert("FunctionName".to_owned(), json!(self.name));
        body.insert("Role".to_owned(), json!(ROLE));
        body.insert("Code".to_owned(), json!({ "ZipFile": packed.base64() }));
        self.send(Verb::Post, "create", "/2015-03-31/functions".to_owned(), body.into()).await?;
        self.ready().await.map(drop)
    }

    async fn update(
        &self,
        before: &Value,
        packed: &Packed,
        wanted: &Wanted,
    ) -> Result<String, ClientError> {
        let new_code = before["CodeSha256"] != packed.sha256.as_str();
        let new_settings = !wanted.is_had_by(before);
        if new_code {
            // Somebody else's change may be under way.
            self.settled().await?;
            let path = function_path(self.name, "/code");
            let body = json!({ "ZipFile": packed.base64() });
            self.send(Verb::Put, "update the code of", path, body).await?;
            self.ready().await?;
        }
        if new_settings {
            self.settled().await?;
            let path = function_path(self.name, "/configuration");
            let body = Value::from(wanted.members());
            let what = self.to("update the configuration of");
            self.api.json(&what, Verb::Put, &path, Some(&body)).await?;
        }
        Ok(match (new_code, new_settings) {
            (true, true) => "updated (code and configuration)",
            (true, false) => "updated (code)",
            (false, true) => "updated (configuration)",
            (false, false) => UNCHANGED,
        }
        .to_owned())
    }

    async fn send(
        &self,
        verb: Verb,
        what: &str,
        path: String,
        body: Value,
    ) -> Result<(), ClientError> {
        let sent = self.progress.sending(self.name, body.to_string().len());
        self.api.upload(&self.to(what), verb, &path, &body, sent).await?;
        self.progress.waiting(format!("waiting until {} is ready", self.name));
        Ok(())
    }

    /// Whether there was anything to change.
    async fn reserve(&self, has: Option<&Value>) -> Result<bool, ClientError> {
        let Some(wanted) = self.asked.reserved_concurrency else { return Ok(false) };
        let has = has.and_then(|has| has["ReservedConcurrentExecutions"].as_u64());
        if has == Some(wanted.into()) {
            return Ok(false);
        }
        let path = format!("/2017-10-31/functions/{}/concurrency", self.name);
        let body = json!({ "ReservedConcurrentExecutions": wanted });
        let what = self.to("reserve concurrency of");
        self.api.json(&what, Verb::Put, &path, Some(&body)).await?;
        Ok(true)
    }

    /// Waits until the function is active and no update is under way.
    async fn ready(&self) -> Result<Value, ClientError> {
        let failed = |reason: &Value| {
            let reason = reason.as_str().unwrap_or("it does not say why").to_owned();
            Err(ClientError::Failed { name: self.name.to_owned(), reason })
        };
        let now = self.settled().await?;
        match (now["State"].as_str(), now["LastUpdateStatus"].as_str()) {
            (Some("Failed"), _) => failed(&now["StateReason"]),
            (_, Some("Failed")) => failed(&now["LastUpdateStatusReason"]),
            _ => Ok(now),
        }
    }

    /// Waits until nothing is under way, whatever came of it.
    async fn settled(&self) -> Result<Value, ClientError> {
        let (path, what) = (function_path(self.name, "/configuration"), self.to("tell of"));
        let within = patience(READY_WITHIN);
        let end = Instant::now() + within;
        let mut look = FIRST_LOOK;
        loop {
            let now = self.api.get(&what, &path).await?;
            if now["State"] != "Pending" && now["LastUpdateStatus"] != "InProgress" {
                return Ok(now);
            }
            if Instant::now() >= end {
                let (name, seconds) = (self.name.to_owned(), within.as_secs());
                return Err(ClientError::NotInTime { name, seconds });
            }
            sleep(look).await;
            look = (look * 2).min(MAX_LOOK);
        }
    }

    fn to(&self, what: &str) -> String {
        format!("{what} {}", self.name)
    }
}

const UNCHANGED: &str = "unchanged";

/// What is done with a function; AWS stops the two on different days.
#[derive(Clone, Copy)]
enum Change {
    New,
    Update,
}

impl Change {
    fn in_words(self) -> &'static str {
        match self {
            Self::New => "creating",
            Self::Update => "updating",
        }
    }
}

/// Refuses a runtime that nobody named and that a host refuses, in AWS's words and without a remedy.
fn taken_by_aws(
    language: &Language,
    found: &Interpreter,
    what: Change,
    today: &str,
) -> Result<(), AppError> {
    let is_past = |day: &Option<String>| day.as_deref().is_some_and(|day| day <= today);
    let blocked = |identifier: &Identifier| match what {
        Change::New => is_past(&identifier.block_create),
        Change::Update => is_past(&identifier.block_update),
    };
    let name = found.identifier.as_str();
    if !language.identifier(name).is_some_and(blocked) {
        return Ok(());
    }
    let current = |identifier: &&Identifier| {
        !is_past(&identifier.deprecation) && !is_past(&identifier.block_create)
    };
    let current = language.identifiers.iter().find(current);
    Err(AppError::Usage {
        message: format!(
            "the runtime would be {name}, after {} (version {}), and AWS has stopped {} functions \
             with it",
            found.executable.display(),
            found.version,
            what.in_words()
        ),
        hint: current.map(|current| {
            format!(
                "name a current one, such as --runtime {}; where its interpreter is not installed, \
                 the host needs `lambdabox serve --runtime-compat near`",
                current.name
            )
        }),
    })
}

/// Whether a runtime identifier is one of this language.
fn is_of(identifier: &str, language: &Language) -> bool {
    language.identifier(identifier).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(identifier: &str) -> Interpreter {
        Interpreter {
            identifier: identifier.to_owned(),
            fit: discover::Fit::Exact,
            release: "20".to_owned(),
            version: "20.19.2".to_owned(),
            executable: "/usr/bin/node".into(),
            prefix: "/usr".into(),
            prefixes: Vec::new(),
            site_packages: Vec::new(),
            found_at: "/usr/bin/node".into(),
        }
    }

    #[test]
    fn a_runtime_that_aws_stopped_creating_is_refused_with_the_interpreter_and_a_current_one() {
        let node = Catalogue::embedded().language("nodejs").unwrap();
        let of = |identifier: &str, what, today: &str| {
            taken_by_aws(node, &found(identifier), what, today).err()
        };
        assert!(of("nodejs20.x", Change::New, "2026-08-30").is_none());
        // Updates go on a month longer.
        assert!(of("nodejs20.x", Change::Update, "2026-08-31").is_none());
        let error = of("nodejs20.x", Change::New, "2026-08-31").unwrap();
        assert_eq!(
            error.to_string(),
            "the runtime would be nodejs20.x, after /usr/bin/node (version 20.19.2), and AWS has \
             stopped creating functions with it"
        );
        let hint = error.hint().unwrap();
        assert!(
            hint.contains("--runtime nodejs22.x") && hint.contains("serve --runtime-compat near")
        );
        assert_eq!(error.exit_code(), 2);
        // Those without dates are never refused.
        assert!(of("nodejs26.x", Change::Update, "2099-01-01").is_none());
    }
}
