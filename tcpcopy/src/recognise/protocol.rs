//! The protocols that are recognised.

/// The protocol of a client's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Unknown,
    Http1,
    Http2,
    WebSocket,
    Redis,
    MemcachedText,
    MemcachedBinary,
    Mqtt,
    Amqp,
    Smtp,
    Imap,
    Pop3,
    Ftp,
    Ssh,
    Tls,
    Postgres,
    Mysql,
    Kafka,
    Mongo,
    Dns,
}

impl Protocol {
    /// The name in reports and logs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Http1 => "HTTP/1",
            Self::Http2 => "HTTP/2",
            Self::WebSocket => "WebSocket",
            Self::Redis => "Redis",
            Self::MemcachedText => "memcached",
            Self::MemcachedBinary => "memcached (binary)",
            Self::Mqtt => "MQTT",
            Self::Amqp => "AMQP",
            Self::Smtp => "SMTP",
            Self::Imap => "IMAP",
            Self::Pop3 => "POP3",
            Self::Ftp => "FTP",
            Self::Ssh => "SSH",
            Self::Tls => "TLS",
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Kafka => "Kafka",
            Self::Mongo => "MongoDB",
            Self::Dns => "DNS",
        }
    }
}
