//! One gateway: journal, misbehaviours and callbacks together. HTTP is in [`crate::http`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::book::Book;
use crate::callback::Callbacks;
use crate::journal::{Handled, Journal};
use crate::misbehaviour::{Answering, Call, Delivery, Effect, Misbehaviours, On, Rule};
use crate::operation::{Answer, Ending, Request};
use crate::settings::Settings;

/// What a caller gets.
#[derive(Debug)]
pub enum Reply {
    /// An answer.
    Answer {
        /// Status and body.
        answer: Answer,
        /// Whether it is that of an earlier request with the same key.
        is_replay: bool,
    },
    /// A connection that breaks.
    Broken,
    /// Nothing, for as long as the caller waits.
    Nothing,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Answer { answer, is_replay: false }
    }
}

/// A running gateway.
pub struct Gateway {
    /// Shared with the thread that waits for the disk.
    journal: Arc<tokio::sync::Mutex<Journal>>,
    misbehaviours: Mutex<Misbehaviours>,
    /// Until when the payment API stands still.
    frozen_until: watch::Sender<Instant>,
    callbacks: Option<Arc<Callbacks>>,
    late: Duration,
    pub(crate) api_key: SecretString,
    pub(crate) control_key: SecretString,
    /// Cancelled when the process is asked to stop: then nobody is kept waiting any more.
    pub(crate) stopping: CancellationToken,
}

impl Gateway {
    /// Reads the journal.
    ///
    /// # Errors
    /// When it cannot be read, or no HTTP client can be made for callbacks.
    pub fn open(settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self {
            journal: Arc::new(tokio::sync::Mutex::new(Journal::open(&settings.data_dir)?)),
            misbehaviours: Mutex::default(),
            frozen_until: watch::Sender::new(Instant::now()),
            callbacks: settings.callback.as_ref().map(Callbacks::new).transpose()?.map(Arc::new),
            late: settings.late,
            api_key: settings.api_key.clone(),
            control_key: settings.control_key.clone(),
            stopping: CancellationToken::new(),
        })
    }

    /// Answers an operation. Run it in a task of its own: a caller who hangs up does not undo anything.
    pub async fn perform(self: Arc<Self>, key: String, request: Request) -> Reply {
        self.wait_until_thawed().await;
        let journal = Arc::clone(&self.journal).lock_owned().await;
        let plan = {
            let book = journal.book();
            let method = request.method.as_deref().or_else(|| book.method(&request.reference));
            let is_new = book.operation(&key).is_none();
            let reference = Some(request.reference.as_str());
            self.misbehaviours(|all| all.plan(&Call { on: request.kind.into(), reference, method, is_new }))
        };
        if let Some(reply) = not_done(plan.answering) {
            return reply;
        }
        let ending = match plan.effect {
            Effect::Now(ending) => ending,
            Effect::Late(delay_ms) => {
                drop(journal);
                let delay = delay_ms.map_or(self.late, Duration::from_millis);
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let journal = Arc::clone(&self.journal).lock_owned().await;
                    self.execute(journal, key, request, Ending::Done, plan.delivery).await;
                });
                return Reply::Nothing;
            }
        };
        let reply = self.execute(journal, key, request, ending, plan.delivery).await;
        answered_as(reply, plan.answering)
    }

    /// Answers a question: `look` gives the answer, and the payment that it is about.
    pub async fn ask(&self, on: On, look: impl FnOnce(&Book) -> (Answer, Option<String>)) -> Reply {
        self.wait_until_thawed().await;
        let journal = self.journal.lock().await;
        let (answer, reference) = look(journal.book());
        let reference = reference.as_deref();
        let method = reference.and_then(|reference| journal.book().method(reference));
        let plan = self.misbehaviours(|all| all.plan(&Call { on, reference, method, is_new: false }));
        not_done(plan.answering).unwrap_or_else(|| answered_as(answer.into(), plan.answering))
    }

    /// Adds a rule.
    pub fn add_rule(&self, rule: Rule) {
        self.misbehaviours(|all| all.add(rule));
    }

    /// The rules that are left.
    pub fn rules(&self) -> Vec<Rule> {
        self.misbehaviours(|all| all.rules().to_vec())
    }

    /// Removes all rules.
    pub fn clear_rules(&self) {
        self.misbehaviours(Misbehaviours::clear);
    }

    /// The payment API stands still for this long, from now on; zero ends it. Requests wait and are then answered, like
    /// those to a process that was stopped.
    pub fn freeze(&self, time: Duration) {
        self.frozen_until.send_replace(Instant::now() + time);
    }

    async fn wait_until_thawed(&self) {
        let mut frozen_until = self.frozen_until.subscribe();
        loop {
            let until = *frozen_until.borrow_and_update();
            if Instant::now() >= until {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                _ = frozen_until.changed() => {}
            }
        }
    }

    /// Does an operation, or repeats the answer that its key has, and sends the callback.
    async fn execute(
        &self,
        mut journal: OwnedMutexGuard<Journal>,
        key: String,
        request: Request,
        ending: Ending,
        delivery: Delivery,
    ) -> Reply {
        let named = key.clone();
        // The disk is waited for elsewhere, because other requests are answered on this thread.
        let handled = tokio::task::spawn_blocking(move || journal.answer(&key, request, ending)).await;
        match handled.map_err(anyhow::Error::new).flatten() {
            Ok(Handled::Stored(operation)) => {
                if let Some(callbacks) = &self.callbacks {
                    callbacks.announce(&operation, delivery).await;
                }
                operation.answer().into()
            }
            Ok(Handled::Replayed(answer)) => Reply::Answer { answer, is_replay: true },
            Ok(Handled::Refused(answer)) => answer.into(),
            Err(e) => {
                tracing::error!("Operation {named} could not be written: {e:#}");
                Answer::problem(503, "journal_away", "the ledger cannot be written now").into()
            }
        }
    }

    // A poisoned lock is usable: a rule is added, counted or removed in one step.
    fn misbehaviours<T>(&self, what: impl FnOnce(&mut Misbehaviours) -> T) -> T {
        what(&mut self.misbehaviours.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The reply to a call that has no effect.
fn not_done(answering: Answering) -> Option<Reply> {
    match answering {
        Answering::ErrorBefore => Some(error()),
        Answering::Never => Some(Reply::Nothing),
        Answering::Given | Answering::Lost | Answering::ErrorAfter => None,
    }
}

/// What is sent instead of the reply to a call that had its effect.
fn answered_as(reply: Reply, answering: Answering) -> Reply {
    match answering {
        Answering::Lost => Reply::Broken,
        Answering::ErrorAfter => error(),
        Answering::Given | Answering::ErrorBefore | Answering::Never => reply,
    }
}

fn error() -> Reply {
    Answer::problem(500, "internal", "something went wrong").into()
}
