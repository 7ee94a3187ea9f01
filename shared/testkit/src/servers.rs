//! The servers that tests share.

/// The URLs of the servers.
#[derive(Debug, Clone)]
pub struct Servers {
    /// PostgreSQL, as a superuser.
    pub database_url: String,
    /// RabbitMQ.
    pub amqp_url: String,
    /// Redis.
    pub redis_url: String,
}

impl Servers {
    /// The servers that `./pannier test` started.
    ///
    /// # Panics
    /// When the environment does not name them.
    #[must_use]
    pub fn from_env() -> Self {
        let var = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| {
                panic!("{name} is not set: run the tests with ./pannier test, which starts the servers they need")
            })
        };
        Self {
            database_url: var("PANNIER_TEST_DATABASE_URL"),
            amqp_url: var("PANNIER_TEST_AMQP_URL"),
            redis_url: var("PANNIER_TEST_REDIS_URL"),
        }
    }
}
