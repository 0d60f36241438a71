//! What the rule book has said, on its way to the log and to telemetry.

use super::Environment;
use crate::catalog::Moment;
use crate::model::Event;
use crate::pool::life::Effect;

impl Environment {
    /// Says what happened. What must be done is nothing to be said.
    pub(super) async fn say(&mut self, effect: Effect) {
        match effect {
            Effect::InitStart(phase) => self.note(Event::InitStart { phase }),
            Effect::LogExtension { name, state, events, error_type } => {
                self.drain().await;
                self.note(Event::Extension { name, state, events, error_type });
            }
            Effect::InitRuntimeDone { phase, status, error_type } => {
                self.note(Event::InitRuntimeDone { phase, status, error_type });
            }
            Effect::InitReport { phase, duration, status, error_type } => {
                self.sample();
                self.drain().await;
                self.blueprint.explain(error_type.as_deref(), Moment::Init);
                self.note(Event::InitReport { phase, duration, status, error_type });
            }
            Effect::RestoreStart => self.note(Event::RestoreStart),
            Effect::RestoreRuntimeDone { status, error_type } => {
                self.note(Event::RestoreRuntimeDone { status, error_type });
            }
            Effect::RestoreReport { duration, status, error_type } => {
                self.drain().await;
                self.note(Event::RestoreReport { duration, status, error_type });
            }
            Effect::LogStart(request_id) => {
                let version = self.blueprint.function.version.clone();
                let tenant_id = self.tenant_id.clone();
                self.note(Event::Start { request_id, version, tenant_id });
            }
            Effect::LogFault { id, error_type, message } => {
                self.drain().await;
                self.note(Event::Fault { request_id: id, message, error_type });
            }
            Effect::RuntimeDone(done) => self.log_runtime_done(*done).await,
            Effect::LogEnd(ending) => self.log_end(*ending).await,
            Effect::Start
            | Effect::StartRuntime
            | Effect::Kill
            | Effect::TerminateRuntime
            | Effect::KillRuntime
            | Effect::KillExtension(_)
            | Effect::ShutDownExtensions(_)
            | Effect::Restore
            | Effect::Throttle
            | Effect::Assign(_)
            | Effect::Deadline(_)
            | Effect::Expire(_)
            | Effect::Answer(..) => {}
        }
    }
}
