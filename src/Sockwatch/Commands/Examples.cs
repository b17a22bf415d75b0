namespace Sockwatch.Commands;

/// <summary>The examples at the end of each command's help.</summary>
internal static class Examples
{
    public static (string Example, string Meaning)[] Of(string command) => command switch
    {
        "run" =>
        [
            ("sockwatch run", "metrics on http://127.0.0.1:9807/metrics"),
            ("sockwatch run --listen :9807 --interval 10s", "for a scraper on another machine"),
            ("sockwatch run --flow-log - --format json", "flow records to standard output"),
            ("sockwatch run --otlp-endpoint http://127.0.0.1:4317", "push everything to a collector as well"),
            ("sockwatch run --config /etc/sockwatch/sockwatch.yaml", "all settings from a file"),
        ],
        "trace" =>
        [
            ("sockwatch trace", "every operation of every process"),
            ("sockwatch trace --exe curl --operation connect", "who curl talks to"),
            ("sockwatch trace --port 5432 --for 10s", "ten seconds of a database"),
            ("sockwatch trace --payload --exe wget", "and what wget sends"),
            ("sockwatch trace --cidr 10.0.0.0/8 --json --count 100", "a hundred flow records for jq"),
        ],
        "top" =>
        [
            ("sockwatch top", "live; q ends it"),
            ("sockwatch top --sort failures --interval 5s", "what fails most"),
            ("sockwatch top --once", "one table, for a script or a report"),
        ],
        "ctl" =>
        [
            ("sockwatch ctl hello", "who is running here"),
            ("sockwatch ctl options log.level=debug", "without a restart"),
            ("sockwatch ctl limit 4711 --sockets 100 --time 1h", "follow a busy process only so far"),
            ("sockwatch ctl verdict add 203.0.113.0/24 detect --name botnet", "tell when somebody contacts it"),
            ("sockwatch ctl dump maps losses", "how full, and what was lost"),
        ],
        "options" =>
        [
            ("sockwatch ctl options", "what can be changed, and what it is now"),
            ("sockwatch ctl options filters.ignoreIpv6=true log.level=warn", "both or neither"),
        ],
        "dump" =>
        [
            ("sockwatch ctl dump", "everything"),
            ("sockwatch ctl dump sockets --rows 100000 --json", "for a program"),
        ],
        "doctor" =>
        [
            ("sockwatch doctor", "can this machine run it, and what to do if not"),
            ("sockwatch doctor --json", "the same for programs"),
        ],
        _ =>
        [
            ("sockwatch doctor", "can this machine run it?"),
            ("sockwatch run", "metrics on http://127.0.0.1:9807/metrics"),
            ("sockwatch trace --exe curl", "see what curl does, as it does it"),
            ("sockwatch top", "the busiest conversations, live"),
        ],
    };
}
