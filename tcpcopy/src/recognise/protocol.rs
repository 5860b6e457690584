//! The protocols that are recognised.

/// What a client's stream is spoken in.
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
    /// As reports and logs call it.
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

    /// The server keeps something for a connection in this protocol. A stream that was joined late may have said
    /// before what would bind the connection: a password, a database.
    pub(super) const fn keeps_state(self, from_start: bool) -> bool {
        match self {
            Self::Unknown | Self::Http1 | Self::MemcachedText | Self::Dns | Self::Kafka => false,
            Self::Redis | Self::MemcachedBinary => !from_start,
            _ => true,
        }
    }
}
