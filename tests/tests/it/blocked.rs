//! A broker with a resource alarm (its disk is full) blocks publishers. The outbox reports it, and committed events
//! wait.

use std::net::SocketAddr;

use pannier_testkit::{Servers, eventually};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::relay::Publishers;

/// AMQP 0-9-1 frames on channel 0: `connection.blocked` with the reason "disk", and `connection.unblocked`.
const BLOCKED: &[u8] = b"\x01\0\0\0\0\0\x09\0\x0a\0\x3c\x04disk\xce";
const UNBLOCKED: &[u8] = b"\x01\0\0\0\0\0\x04\0\x0a\0\x3d\xce";

/// A proxy before the broker that raises and clears the alarm. While the alarm is raised it reads nothing from the
/// client, as the broker does.
async fn with_alarms(broker: SocketAddr) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (switch, alarm) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (from_client, to_client) = client.into_split();
            let (from_broker, to_broker) = TcpStream::connect(broker).await.unwrap().into_split();
            tokio::spawn(upstream(from_client, to_broker, alarm.clone()));
            tokio::spawn(downstream(from_broker, to_client, alarm.clone()));
        }
    });
    (address, switch)
}

async fn upstream(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut alarm: watch::Receiver<bool>) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        if alarm.wait_for(|is_raised| !is_raised).await.is_err() {
            return;
        }
        tokio::select! {
            read = from.read(&mut bytes) => match read {
                Ok(0) | Err(_) => return,
                Ok(count) => if to.write_all(&bytes[..count]).await.is_err() { return },
            },
            _ = async { alarm.wait_for(|is_raised| *is_raised).await.is_ok() } => {}
        }
    }
}

/// Forwards whole frames, so that the frame of the alarm is sent between two of them.
async fn downstream(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut alarm: watch::Receiver<bool>) {
    let (frames, mut read) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        let mut head = [0; 7];
        while from.read_exact(&mut head).await.is_ok() {
            let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
            let mut frame = vec![0; 7 + size as usize + 1];
            frame[..7].copy_from_slice(&head);
            if from.read_exact(&mut frame[7..]).await.is_err() || frames.send(frame).await.is_err() {
                return;
            }
        }
    });
    loop {
        let frame = tokio::select! {
            frame = read.recv() => frame,
            changed = alarm.changed() => match changed {
                Ok(()) if *alarm.borrow_and_update() => Some(BLOCKED.to_vec()),
                Ok(()) => Some(UNBLOCKED.to_vec()),
                Err(_) => None,
            },
        };
        let Some(frame) = frame else { return };
        if to.write_all(&frame).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_while_the_broker_is_blocked_is_published_afterwards() {
    let servers = Servers::from_env();
    let (login, rest) = servers.amqp_url.rsplit_once('@').unwrap();
    let (broker, vhost) = rest.split_once('/').unwrap_or((rest, "%2f"));
    let (address, alarm) = with_alarms(broker.parse().unwrap()).await;
    let mut city = Publishers::start_through(&format!("{login}@{address}/{vhost}")).await;
    city.start_merchant_svc().await;
    let tickets = "SELECT count(*) AS n FROM merchant.tickets";
    city.announce(1).await;
    eventually("a ticket", || async { (city.db.count(tickets).await == 1).then_some(()) }).await;

    alarm.send_replace(true);
    city.announce(20).await;
    let ops = city.ops();
    eventually("operations see that the broker is blocked", || async {
        (ops.get("/v1/ops/outbox").await.ok()["blocked"] == json!(true)).then_some(())
    })
    .await;
    assert_eq!(city.db.count(tickets).await, 1);

    alarm.send_replace(false);
    eventually("all tickets", || async { (city.db.count(tickets).await == 21).then_some(()) }).await;
    eventually("everything is published", || async { (city.unpublished().await == 0).then_some(()) }).await;
    assert_eq!(ops.get("/v1/ops/outbox").await.ok()["blocked"], json!(false));
    let aside = "SELECT (SELECT count(*) FROM orders.set_aside) + (SELECT count(*) FROM merchant.dead_letters) AS n";
    assert_eq!(city.db.count(aside).await, 0, "no event was set aside, and no message is dead");
    city.end().await;
}
