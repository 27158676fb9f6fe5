//! The plugins of Command documents: what each takes, where it runs, and whether it can be performed.

/// The operating systems a precondition or a plugin can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// What Mainstay's hosts run.
    Linux,
    /// Known to the language only.
    Windows,
    /// Known to the language only.
    MacOs,
}

impl Platform {
    /// The word `platformType` is compared with.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linux => "Linux",
            Self::Windows => "Windows",
            Self::MacOs => "MacOS",
        }
    }
}

/// What the language knows of a plugin.
#[derive(Clone, Copy, Debug)]
pub struct PluginFacts {
    /// Its name (`aws:runShellScript`).
    pub name: &'static str,
    /// Whether it belongs to schema version 1.2.
    pub old: bool,
    /// Whether it belongs to schema versions 2.0 and 2.2.
    pub new: bool,
    /// Where it runs.
    pub platforms: &'static [Platform],
    /// The inputs it needs.
    pub required: &'static [&'static str],
    /// The further inputs it takes.
    pub optional: &'static [&'static str],
    /// Inputs that are one of a few words.
    pub words: &'static [(&'static str, &'static [&'static str])],
    /// Whether a performer exists.
    pub built: bool,
}

use Platform::{Linux, MacOs, Windows};

const ALL: &[Platform] = &[Linux, Windows, MacOs];
const UNIX: &[Platform] = &[Linux, MacOs];
const SERVERS: &[Platform] = &[Linux, Windows];
const WINDOWS: &[Platform] = &[Windows];

const fn plugin(
    name: &'static str,
    platforms: &'static [Platform],
    required: &'static [&'static str],
    optional: &'static [&'static str],
) -> PluginFacts {
    PluginFacts { name, old: false, new: true, platforms, required, optional, words: &[], built: false }
}

const fn both(facts: PluginFacts) -> PluginFacts {
    PluginFacts { old: true, ..facts }
}

/// The inputs every plugin takes: what follows from its end, and whether it always runs.
pub const SHARED: [&str; 3] = ["onFailure", "onSuccess", "finallyStep"];

const SCRIPT: &[&str] = &["workingDirectory", "timeoutSeconds"];

/// All plugins of the reference.
pub const PLUGINS: [PluginFacts; 15] = [
    PluginFacts { built: true, ..both(plugin("aws:runShellScript", UNIX, &["runCommand"], SCRIPT)) },
    PluginFacts { built: true, ..both(plugin("aws:runPowerShellScript", ALL, &["runCommand"], SCRIPT)) },
    PluginFacts {
        words: &[("documentType", &["LocalPath", "SSMDocument"])],
        built: true,
        ..plugin("aws:runDocument", SERVERS, &["documentType"], &["documentPath", "documentParameters"])
    },
    PluginFacts {
        words: &[("sourceType", &["GitHub", "Git", "HTTP", "S3", "SSMDocument"])],
        built: true,
        ..plugin("aws:downloadContent", SERVERS, &["sourceType", "sourceInfo"], &["destinationPath"])
    },
    PluginFacts {
        words: &[
            ("action", &["Install", "Uninstall"]),
            ("installationType", &["Uninstall and reinstall", "In-place update"]),
        ],
        built: true,
        ..plugin(
            "aws:configurePackage",
            ALL,
            &["name", "action"],
            &["installationType", "version", "additionalArguments"],
        )
    },
    plugin(
        "aws:softwareInventory",
        ALL,
        &[],
        &[
            "applications",
            "awsComponents",
            "files",
            "networkConfig",
            "windowsUpdates",
            "instanceDetailedInformation",
            "services",
            "windowsRegistry",
            "windowsRoles",
            "customInventory",
        ],
    ),
    plugin("aws:refreshAssociation", ALL, &[], &["associationIds"]),
    both(plugin("aws:updateSsmAgent", ALL, &["agentName", "allowDowngrade", "source"], &["targetVersion"])),
    both(plugin("aws:updateAgent", WINDOWS, &["agentName", "source"], &["allowDowngrade", "targetVersion"])),
    PluginFacts {
        words: &[("action", &["Install", "Repair", "Uninstall"])],
        ..both(plugin("aws:applications", WINDOWS, &["action", "source"], &["parameters", "sourceHash"]))
    },
    both(plugin(
        "aws:psModule",
        WINDOWS,
        &["source"],
        &["runCommand", "sourceHash", "workingDirectory", "timeoutSeconds"],
    )),
    both(plugin(
        "aws:domainJoin",
        SERVERS,
        &["directoryId", "directoryName", "dnsIpAddresses"],
        &["directoryOU"],
    )),
    PluginFacts {
        words: &[("action", &["Install", "Uninstall"])],
        ..plugin("aws:configureDocker", SERVERS, &["action"], &[])
    },
    plugin(
        "aws:runDockerAction",
        SERVERS,
        &["action"],
        &["container", "image", "cmd", "memory", "cpuShares", "volume", "env", "user", "publish"],
    ),
    PluginFacts {
        old: true,
        new: false,
        ..plugin("aws:cloudWatch", WINDOWS, &[], &["status", "configuration", "properties"])
    },
];

/// What is known of the plugin of this name.
pub fn facts(name: &str) -> Option<&'static PluginFacts> {
    PLUGINS.iter().find(|plugin| plugin.name == name)
}
