//! RabbitMQ: connects, declares and publishes. Every await on the broker has a deadline, because some of lapin's never
//! resolve (a blocked connection, a rejected vhost).
//!
//! A lost connection is replaced by a new one and not repaired by lapin's recovery (ADR 0005): delivery tags are valid only on
//! the connection that they came from.

mod secure;

use std::future::Future;
use std::time::Duration;

use anyhow::Context as _;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use pannier_contracts::topology::{RETRY_LADDER_S, ROUTES, dead_queue, retry_queue};

use crate::{Namespace, Tls};

/// The longest that a call to the broker may take.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Header: how often handling a message has failed.
pub const ATTEMPTS: &str = "x-pannier-attempts";
/// Header: why it failed last.
pub const REASON: &str = "x-pannier-reason";

/// Declarations run one at a time in a process: a queue that another connection is just declaring counts as existing, and
/// consuming from it fails (541). Processes that start together on an empty broker may still meet this; then their consumers
/// reconnect.
static DECLARING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The broker's address, and the namespace of our exchanges and queues in it.
#[derive(Debug, Clone)]
pub struct Broker {
    /// `amqp://user:password@host:port/vhost`, or `amqps://…` for TLS. A secret: never logged.
    pub url: String,
    /// How TLS is spoken.
    pub tls: Tls,
    /// Prefix of everything that is declared.
    pub namespace: Namespace,
}

/// Waits for a call to the broker, at most [`DEADLINE`]. `what` names it in the error.
///
/// # Errors
/// The call's own error, or that the time was over.
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
    /// A new connection. `role` is its name in the broker's management.
    ///
    /// # Errors
    /// When the broker cannot be reached in time, or one of both refuses the other's certificate.
    pub async fn connect(&self, role: &str) -> anyhow::Result<Connection> {
        let properties =
            ConnectionProperties::default().with_connection_name(format!("{}/{role}", self.namespace.as_str()).into());
        let mut url: AMQPUri = self.url.parse().map_err(|e| anyhow::anyhow!("the broker's URL cannot be read: {e}"))?;
        // A peer that is silent for ten seconds is dead; with the usual sixty a lost one is noticed after two minutes.
        url.query.heartbeat = Some(10);
        match url.scheme {
            AMQPScheme::AMQP => with_deadline("connect to the broker", Connection::connect_uri(url, properties)).await,
            AMQPScheme::AMQPS => secure::connect(url, properties, &self.tls).await,
        }
    }

    /// A new channel. Every service declares the whole topology, so that none depends on another's start.
    ///
    /// # Errors
    /// When the broker does not answer in time, or has a queue of this name with other arguments.
    pub async fn channel(&self, connection: &Connection) -> anyhow::Result<Channel> {
        let channel = with_deadline("open a channel", connection.create_channel()).await?;
        let _one_at_a_time = DECLARING.lock().await;
        self.declare(&channel).await?;
        Ok(channel)
    }

    /// [`Self::channel`] with publisher confirms.
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
            // Against endless crash loops only. Every crash counts once for each prefetched message.
            arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(100));
            dead_letter_to(&mut arguments, &dead);
            with_deadline("declare a queue", channel.queue_declare(work.as_str().into(), durable, arguments)).await?;
            with_deadline("declare a queue", channel.queue_declare(dead.as_str().into(), durable, quorum())).await?;
            for delay_s in RETRY_LADDER_S {
                // One delay per queue: messages expire only at its head, so a long delay would hold up shorter ones.
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
                // Earlier versions bound the queue to all events; that binding is still there.
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
    // The default exchange routes to the queue of that name.
    arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString(LongString::from("")));
    arguments.insert("x-dead-letter-routing-key".into(), AMQPValue::LongString(LongString::from(queue)));
    // A dead-lettered message is kept until its next queue has confirmed it, which requires reject-publish.
    arguments.insert("x-dead-letter-strategy".into(), AMQPValue::LongString(LongString::from("at-least-once")));
    arguments.insert("x-overflow".into(), AMQPValue::LongString(LongString::from("reject-publish")));
}

/// Whether a message that was published with confirms and `mandatory` is stored.
///
/// # Errors
/// Why it is not. A message that no queue is bound for is *acknowledged* and returned; that is an error too.
pub fn check_stored(confirmation: Confirmation) -> Result<(), String> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(back)) | Confirmation::Nack(Some(back)) => Err(format!("returned: {}", back.reply_text)),
        Confirmation::Nack(None) => Err("refused by the broker".to_owned()),
        Confirmation::NotRequested => Err("the channel does not confirm".to_owned()),
    }
}

/// Publishes one message to a queue, through the default exchange, and waits until it is stored. The channel needs confirms.
///
/// # Errors
/// When the broker has not stored it in time.
pub async fn put(channel: &Channel, queue: &str, body: &[u8], properties: BasicProperties) -> anyhow::Result<()> {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let confirm = with_deadline(
        "publish",
        channel.basic_publish("".into(), queue.into(), options, body, properties.with_delivery_mode(2)),
    )
    .await?;
    let confirmation = with_deadline("confirm", confirm).await?;
    check_stored(confirmation).map_err(|why| anyhow::anyhow!("queue {queue}: {why}"))
}
