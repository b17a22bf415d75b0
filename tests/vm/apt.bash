# shellcheck shell=bash
# apt with a state of its own, for packages of other suites and architectures: downloads and unpacks, installs nothing, and
# the machine's own package lists stay as they are. The mirror is the one that this machine's apt already uses.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

apt_mirror() {
	command -v apt-get >/dev/null || return 0
	# shellcheck disable=SC2016 # These are apt's variables.
	apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' 2>/dev/null |
		awk '$2 == "Debian" { print $1; exit }'
}

# apt_prepare STATE MIRROR SUITE ARCH
apt_prepare() {
	local state=$1 mirror=$2 suite=$3 arch=$4
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	echo "deb [arch=$arch signed-by=$keyring] $mirror $suite main" >"$state/sources.list"
	: >"$state/status"
	cat >"$state/apt.conf" <<-END
		APT::Architecture "$arch";
		APT::Architectures "$arch";
		APT::Sandbox::User "root";
		Dir::State "$state";
		Dir::State::status "$state/status";
		Dir::Cache "$state/cache";
		Dir::Etc::SourceList "$state/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Etc::Preferences "/dev/null";
		Dir::Etc::PreferencesParts "/dev/null";
		Acquire::Languages "none";
		Acquire::Check-Valid-Until "false";
		Acquire::Retries "1";
		Acquire::http::Timeout "20";
		Acquire::https::Timeout "20";
		Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
		Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
	END
}

# apt_of STATE COMMAND…: the messages are in STATE/log.
apt_of() {
	local state=$1
	shift
	(cd "$state" && APT_CONFIG=$state/apt.conf "$@" 2>>"$state/log")
}

apt_update() {
	apt_of "$1" apt-get update -qq >/dev/null && ! grep -q '^[EW]: .*Failed' "$1/log"
}

# The last word of apt, without addresses.
apt_reason() {
	grep -E '^[EW]:' "$1/log" | tail -n 1 | sed -E 's#[a-z+]+://[^ ]*#the mirror#g; s/^[EW]: //'
}
