//! The table of findings.

use super::place::Place;

/// The host where a cure is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// Where tcpcopy runs.
    Online,
    /// Where the target runs.
    Test,
    /// Where intercept runs.
    Assistant,
}

impl Host {
    /// Its name in the log and in the documentation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Test => "test",
            Self::Assistant => "assistant",
        }
    }
}

/// A row of the table.
struct Row {
    name: &'static str,
    summary: &'static str,
    host: Host,
    cure: &'static str,
    case: &'static str,
}

macro_rules! findings {
    ($($(#[$doc:meta])* $finding:ident = $name:literal, $summary:literal, $host:ident: $cure:literal, case $case:literal;)*) => {
        /// A fault, or a state that leads to losses.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
        pub enum Finding {
            $($(#[$doc])* $finding,)*
        }

        impl Finding {
            /// All findings, in the order of the path of the data.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$finding),*];

            fn row(self) -> Row {
                match self {
                    $(Self::$finding => Row {
                        name: $name, summary: $summary, host: Host::$host, cure: $cure, case: $case,
                    },)*
                }
            }
        }
    };
}

// `{target}`, `{port}` and `{service}` are the target's address, its port and the online port; `{assistant}` and `{control}`
// are the address and the port of intercept; `{hop}` and `{dev}` are the next hop to the target; `{-6}`, `{ipv4}` and
// `{forward}` depend on the family of its address.
findings! {
    /// Packets of clients reach the host, but not the capture.
    NotCaptured = "not-captured", "packets of clients pass this host, but not the capture", Online:
        "tcpdump -ni any -c 5 tcp dst port {service}", case "findings-captured";
    /// The kernel drops packets before they are captured.
    CaptureOverflow = "capture-overflow", "the capture buffer is full: packets are dropped before they are read", Online:
        "sysctl -w net.core.rmem_max=268435456 # and raise -B", case "burst";
    /// Production accepts no connection.
    NobodyListens = "nobody-listens", "production accepts no connection", Online:
        "ss -Hltn 'sport = :{service}'", case "findings-online";
    /// Many connections are opened that never say anything.
    SynFlood = "syn-flood", "many connections begin and say nothing: a SYN flood", Online:
        "sysctl -w net.ipv4.tcp_syncookies=1", case "findings-online";
    /// No control connection.
    InterceptAway = "intercept-away", "no intercept is connected: no answer is received, and new sessions wait", Assistant:
        "intercept -d -l /var/log/intercept.log -p {control}", case "findings-hops";
    /// The kernel refuses packets.
    SendsFail = "sends-fail", "this host does not send the copies", Online:
        "ip {-6}route get {target}; nft list ruleset", case "injection-blocked";
    /// The next hop does not answer.
    NeighbourUnknown = "neighbour-unknown", "the next hop to the test server does not answer", Online:
        "ip {-6}route replace {target} dev {dev}; ip {-6}neigh flush to {hop} dev {dev}", case "findings-hops";
    /// Nothing of the target comes back, not even to this host's own address.
    TargetSilent = "target-silent", "the test server's host answers nobody", Test:
        "ip {-6}addr; nft list ruleset; sysctl -w net.{ipv4}.conf.all.rp_filter=2", case "findings-hops";
    /// Packets with foreign source addresses do not arrive.
    SourcesDropped = "sources-dropped", "packets with the clients' addresses are dropped on the way to the test server", Test:
        "sysctl -w net.ipv4.conf.all.rp_filter=2", case "findings-sources";
    /// The answers take another way.
    RouteMissing = "route-missing", "the test server's answers to clients do not reach the assistant: their route is missing", Test:
        "route-setup add --port {port} --via {assistant}", case "findings-hops";
    /// Copies reach the test host, and nothing comes out of its service.
    TunnelSilent = "tunnel-silent", "copies enter the test host by intercept's device, and its service answers none", Test:
        "nft list ruleset; ip {-6}rule; ss -Hltn 'sport = :{port}'", case "agent-faults";
    /// The control connection is too slow for the copies.
    TunnelFull = "tunnel-full", "the connection to intercept does not take all copies", Online:
        "ss -Htni dst {assistant}", case "simulated";
    /// One of the two above; which one is not known.
    CopiesUnanswered = "copies-unanswered", "the test server answers this host, but not the copies", Test:
        "route-setup add --port {port} --via {assistant}", case "simulated";
    /// Answers come from another address.
    OtherAddress = "other-address", "intercept captures answers, but of other connections", Test:
        "ss -Htn 'sport = :{port}'", case "simulated";
    /// Answers are those of connections that tcpcopy has not opened.
    OldConnections = "old-connections", "the test server still holds older connections of the same clients and ports, and answers with them", Test:
        "ss -Htan 'sport = :{port}'", case "simulated";
    /// The answers reach the assistant, but not the capture of intercept.
    InterceptMisses = "intercept-misses", "the answers reach the assistant, but intercept's -i or -F leaves them out", Assistant:
        "kill $(ss -Hltnp 'sport = :{control}' | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u); sleep 1; \
         intercept -d -l /var/log/intercept.log -p {control}",
        case "findings-hops";
    /// Real clients get the answers.
    AssistantForwards = "assistant-forwards", "the assistant forwards the answers to the real clients, which reset the copies", Assistant:
        "sysctl -w {forward}=0", case "findings-hops";
    /// Nobody listens on the target.
    Refused = "refused", "the test server refuses all connections", Test:
        "ss -Hltn 'sport = :{port}'", case "findings-hops";
    /// Connections are reset before they are answered.
    Reset = "reset", "the copies' connections are reset before they are answered", Test:
        "nft list ruleset; ss -Hltn 'sport = :{port}'", case "simulated";
    /// The service has stopped, its kernel has not.
    ServerHangs = "server-hangs", "the test server's kernel responds, its service does not", Test:
        "kill -CONT $(ss -Hltnp 'sport = :{port}' | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u)",
        case "findings-hops";
    /// The copy falls behind.
    CopyLags = "copy-lags", "the copy falls further behind its clients: the test server is slower than production", Test:
        "top -b -n 1 | head -n 20", case "findings-slow";
    /// Two tcpcopies copy the same connections.
    TwoTcpcopies = "two-tcpcopies", "another tcpcopy copies the same connections to the same target", Online:
        "pgrep -a tcpcopy", case "findings-hops";
    /// Payload is dropped at `-m`.
    MemoryLimit = "memory-limit", "sessions are dropped at the memory limit (-m)", Online:
        "free -m # and raise -m", case "server-stopped-memory";
    /// intercept loses answers.
    AnswersLost = "answers-lost", "intercept does not keep up with the answers: some are dropped", Assistant:
        "top -b -n 1 | head -n 20", case "queue-full";
}

impl Finding {
    /// Its name in the log and in `--stats-json`, and its anchor in docs/TROUBLESHOOTING.md.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What is wrong, in one sentence.
    #[must_use]
    pub fn summary(self) -> &'static str {
        self.row().summary
    }

    /// The case in scripts/cases that shows it; `simulated` if only tests in this crate do.
    #[must_use]
    pub fn case(self) -> &'static str {
        self.row().case
    }

    /// The command that mends it, or that shows what must be mended, and where to run it.
    #[must_use]
    pub fn cure(self, place: &Place) -> String {
        format!("on the {} host: `{}`", self.host().name(), self.command(place))
    }

    /// The command of the cure alone.
    #[must_use]
    pub fn command(self, place: &Place) -> String {
        place.fill(self.row().cure)
    }

    /// The host where it is to be run.
    #[must_use]
    pub fn host(self) -> Host {
        self.row().host
    }

    /// The line for the log.
    #[must_use]
    pub fn line(self, evidence: &str, place: &Place) -> String {
        let Row { name, summary, .. } = self.row();
        format!("{name}: {summary} ({evidence}); {}; see docs/TROUBLESHOOTING.md#{name}", self.cure(place))
    }
}
