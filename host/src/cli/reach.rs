//! Where functions reach, as whom, and who hears of that: flags of `invoke` and `serve`.

use clap::Args;

use super::words::Words;
use crate::config::{Raw, Setting};

/// Where functions reach, and as whom: what `invoke` and `serve` have in common.
#[derive(Debug, Args)]
pub(crate) struct Reach {
    /// Region, also of the function's ARN [default: AWS_REGION, AWS_DEFAULT_REGION, us-east-1]
    #[arg(long, help_heading = "AWS")]
    pub(crate) region: Option<String>,
    /// Give functions the keys of this profile in ~/.aws
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    pub(crate) profile: Option<String>,
    /// The keys functions get: placeholders, or those of your environment [default: placeholder]
    #[arg(long, value_name = "WHOSE", help_heading = "AWS")]
    #[arg(value_parser = Words(&["placeholder", "env"]))]
    pub(crate) credentials: Option<String>,

    /// Where the function's network reaches [default: nat where it can be had]
    ///
    /// none: loopback only. nat: outbound, this host's own services out of reach. host: this host's
    /// own network, with less isolation.
    #[arg(long, value_name = "PLACEMENT", help_heading = "Network")]
    #[arg(value_parser = Words(&["none", "nat", "host"]))]
    pub(crate) network: Option<String>,
    /// Let the function reach this port of the host's loopback, at 127.0.0.1 and
    /// host.docker.internal (repeatable)
    ///
    /// HOSTPORT is the port here if it differs. An AWS_ENDPOINT_URL* of the function that names
    /// loopback is forwarded by itself.
    #[arg(long, value_name = "PORT[:HOSTPORT]", help_heading = "Network")]
    pub(crate) forward: Vec<String>,

    /// Pass functions' X-Ray segments on to the daemon at this address, by UDP
    #[arg(long, value_name = "HOST:PORT", help_heading = "Tracing")]
    pub(crate) xray_daemon: Option<String>,
    /// Send spans of invocations (queue, init, invoke, overhead) to an OpenTelemetry collector
    /// [default: OTEL_EXPORTER_OTLP_ENDPOINT]
    ///
    /// By OTLP over HTTP, such as http://127.0.0.1:4318. A span that the collector does not take is
    /// dropped and counted; no invocation waits for it.
    #[arg(long, value_name = "URL", help_heading = "Tracing")]
    pub(crate) otlp_endpoint: Option<String>,
}

impl Reach {
    /// Notes what was typed.
    pub(super) fn set(self, settings: &mut Raw) {
        for (setting, text) in [
            (Setting::Network, self.network),
            (Setting::Region, self.region),
            (Setting::Profile, self.profile),
            (Setting::Credentials, self.credentials),
            (Setting::XrayDaemon, self.xray_daemon),
            (Setting::OtlpEndpoint, self.otlp_endpoint),
        ] {
            settings.set_flag(setting, text);
        }
        settings.set_flags(Setting::Forwards, self.forward);
    }
}
