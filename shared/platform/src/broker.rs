//! RabbitMQ: connecting, declaring, publishing. Every await on the broker has a deadline: some of lapin's never resolve
//! by themselves (a blocked connection, a rejected vhost).
//!
//! We reconnect with a new connection instead of lapin's own recovery: it is simple to reason about, and unacknowledged
//! delivery tags die with the connection they belong to.

use std::future::Future;
use std::time::Duration;

use anyhow::Context as _;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use pannier_contracts::topology::{RETRY_LADDER_S, ROUTES, dead_queue, retry_queue};

use crate::Namespace;

/// The longest that anything asked of the broker may take.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Header: how often a message was tried and failed.
pub const ATTEMPTS: &str = "x-pannier-attempts";
/// Header: what the last try said.
pub const REASON: &str = "x-pannier-reason";

/// Whoever declares a queue that somebody else is just making is told that it is there, and consuming from it then fails
/// (541): inside a process, one after the other. Between processes that start together on an empty broker it may happen
/// still; the consumer connects again.
static DECLARING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Where the broker is, and under which namespace we use it.
#[derive(Debug, Clone)]
pub struct Broker {
    /// `amqp://user:password@host:port/vhost`; may carry a secret, so it is never logged.
    pub url: String,
    /// Prefix of everything we declare.
    pub namespace: Namespace,
}

/// Gives up on a broker call after [`DEADLINE`].
///
/// # Errors
/// The call's own error, or that time ran out.
pub async fn with_deadline<T, E>(what: &str, call: impl Future<Output = Result<T, E>>) -> anyhow::Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    tokio::time::timeout(DEADLINE, call)
        .await
        .with_context(|| format!("{what}: no answer from the broker in {DEADLINE:?}"))?
        .with_context(|| what.to_owned())
}

impl Broker {
    /// A new connection. `role` is its name in the broker's own lists.
    ///
    /// # Errors
    /// When the broker cannot be reached in time.
    pub async fn connect(&self, role: &str) -> anyhow::Result<Connection> {
        let properties =
            ConnectionProperties::default().with_connection_name(format!("{}/{role}", self.namespace.as_str()).into());
        let mut url: AMQPUri = self.url.parse().map_err(|e| anyhow::anyhow!("the broker's URL cannot be read: {e}"))?;
        // A peer that is silent for ten seconds is dead; with the usual sixty a lost one is noticed after two minutes.
        url.query.heartbeat = Some(10);
        with_deadline("connect to the broker", Connection::connect_uri(url, properties)).await
    }

    /// A channel on which the whole topology has been declared: whoever comes first makes it, the others find it.
    ///
    /// # Errors
    /// When the broker is away, or holds a queue of ours with other arguments.
    pub async fn channel(&self, connection: &Connection) -> anyhow::Result<Channel> {
        let channel = with_deadline("open a channel", connection.create_channel()).await?;
        let _one_at_a_time = DECLARING.lock().await;
        self.declare(&channel).await?;
        Ok(channel)
    }

    /// A channel with the topology and publisher confirms.
    ///
    /// # Errors
    /// As [`Self::channel`].
    pub async fn publishing_channel(&self, connection: &Connection) -> anyhow::Result<Channel> {
        let channel = self.channel(connection).await?;
        with_deadline("ask for confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(channel)
    }

    async fn declare(&self, channel: &Channel) -> anyhow::Result<()> {
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        for route in ROUTES {
            let exchange = self.namespace.of(route.exchange);
            with_deadline(
                "declare an exchange",
                channel.exchange_declare(
                    exchange.as_str().into(),
                    ExchangeKind::Topic,
                    ExchangeDeclareOptions { durable: true, ..Default::default() },
                    FieldTable::default(),
                ),
            )
            .await?;
            let work = self.namespace.of(route.queue);
            let dead = dead_queue(&work);

            let mut arguments = quorum();
            // Only a guard against endless crash loops: every kill counts once for every prefetched message.
            arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(100));
            dead_letter_to(&mut arguments, &dead);
            with_deadline("declare a queue", channel.queue_declare(work.as_str().into(), durable, arguments)).await?;
            with_deadline("declare a queue", channel.queue_declare(dead.as_str().into(), durable, quorum())).await?;
            for delay_s in RETRY_LADDER_S {
                // One wait per queue: a long one at the head would hold up the short ones behind it.
                let mut arguments = quorum();
                arguments.insert("x-message-ttl".into(), AMQPValue::LongInt(*delay_s as i32 * 1000));
                dead_letter_to(&mut arguments, &work);
                let retry = retry_queue(&work, *delay_s);
                with_deadline("declare a queue", channel.queue_declare(retry.as_str().into(), durable, arguments))
                    .await?;
            }
            for key in route.keys() {
                let bound = channel.queue_bind(
                    work.as_str().into(),
                    exchange.as_str().into(),
                    key.as_str().into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                );
                with_deadline("bind a queue", bound).await?;
            }
            if route.events.is_some() {
                // Queues of earlier versions got everything; that binding outlives them.
                let all = format!("{}.#", route.aggregate);
                let unbound = channel.queue_unbind(
                    work.as_str().into(),
                    exchange.as_str().into(),
                    all.as_str().into(),
                    FieldTable::default(),
                );
                with_deadline("unbind a queue", unbound).await?;
            }
        }
        Ok(())
    }
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString(LongString::from("quorum")));
    arguments
}

fn dead_letter_to(arguments: &mut FieldTable, queue: &str) {
    // Through the default exchange, straight into the queue of that name.
    arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString(LongString::from("")));
    arguments.insert("x-dead-letter-routing-key".into(), AMQPValue::LongString(LongString::from(queue)));
    // A dead-lettered message is kept until its next queue has confirmed it; that needs reject-publish.
    arguments.insert("x-dead-letter-strategy".into(), AMQPValue::LongString(LongString::from("at-least-once")));
    arguments.insert("x-overflow".into(), AMQPValue::LongString(LongString::from("reject-publish")));
}

/// What happened to a message that was published with confirms and `mandatory`.
///
/// # Errors
/// A sentence, unless the broker has stored it. A message that no queue wants comes back *acknowledged*,
/// with the message inside: that is a failure too.
pub fn stored(confirmation: Confirmation) -> Result<(), String> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(back)) | Confirmation::Nack(Some(back)) => Err(format!("returned: {}", back.reply_text)),
        Confirmation::Nack(None) => Err("refused by the broker".to_owned()),
        Confirmation::NotRequested => Err("the channel does not confirm".to_owned()),
    }
}

/// Publishes one message straight into a queue and waits until it is stored.
///
/// # Errors
/// When it is not, in time.
pub async fn put(channel: &Channel, queue: &str, body: &[u8], properties: BasicProperties) -> anyhow::Result<()> {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let confirm = with_deadline(
        "publish",
        channel.basic_publish("".into(), queue.into(), options, body, properties.with_delivery_mode(2)),
    )
    .await?;
    let confirmation = with_deadline("confirm", confirm).await?;
    stored(confirmation).map_err(|why| anyhow::anyhow!("queue {queue}: {why}"))
}
