//! The servers that the platform needs, and those that it is observed and tested with: names, oldest versions, packages.

/// A server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Server {
    /// PostgreSQL 13 or newer.
    Postgres,
    /// Redis 6.2 or newer (GEOSEARCH), or Valkey.
    Redis,
    /// RabbitMQ 3.8 or newer (quorum queues).
    RabbitMq,
    /// Prometheus 2.40 or newer, with `promtool`: for `up --observe` and the tests of alerts.
    Prometheus,
    /// HAProxy 2.4 or newer: for the test of a rolling restart.
    HaProxy,
}

impl Server {
    /// Its name in messages.
    pub fn title(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
            Self::RabbitMq => "RabbitMQ",
            Self::Prometheus => "Prometheus",
            Self::HaProxy => "HAProxy",
        }
    }

    /// Its name in paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::RabbitMq => "rabbitmq",
            Self::Prometheus => "prometheus",
            Self::HaProxy => "haproxy",
        }
    }

    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "PANNIER_PG_BIN",
            Self::Redis => "PANNIER_REDIS_BIN",
            Self::RabbitMq => "PANNIER_RABBITMQ_BIN",
            Self::Prometheus => "PANNIER_PROMETHEUS_BIN",
            Self::HaProxy => "PANNIER_HAPROXY_BIN",
        }
    }

    pub(super) fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["postgres"],
            Self::Redis => &["redis-server", "valkey-server"],
            Self::RabbitMq => &["rabbitmq-server"],
            Self::Prometheus => &["prometheus"],
            Self::HaProxy => &["haproxy"],
        }
    }

    pub(super) fn oldest(self) -> (u32, u32) {
        match self {
            Self::Postgres => (13, 0),
            Self::Redis => (6, 2),
            Self::RabbitMq => (3, 8),
            Self::Prometheus => (2, 40),
            Self::HaProxy => (2, 4),
        }
    }

    pub(super) fn brew(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql@17",
            Self::Redis => "redis",
            Self::RabbitMq => "rabbitmq",
            Self::Prometheus => "prometheus",
            Self::HaProxy => "haproxy",
        }
    }

    pub(super) fn apt(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::Redis => "redis-server",
            Self::RabbitMq => "rabbitmq-server",
            Self::Prometheus => "prometheus",
            Self::HaProxy => "haproxy",
        }
    }
}
