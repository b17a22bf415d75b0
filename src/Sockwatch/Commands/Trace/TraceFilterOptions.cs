using System.CommandLine;
using Sockwatch.Exporters.Trace;

namespace Sockwatch.Commands.Trace;

/// <summary>The options of <c>sockwatch trace</c> that choose records.</summary>
internal sealed class TraceFilterOptions
{
    private readonly Option<object[]> _pids = CommandOptions.Several(
        "--pid", "PID", "Only this process and what descends from it", "a process id", text => (object?)TraceValues.Id(text));

    private readonly Option<bool> _noChildren = new("--no-children") { Description = "With --pid: not what descends from it" };

    private readonly Option<string[]> _executables = CommandOptions.Several(
        "--exe", "NAME", "Only this executable, by name or full path", "a name", NotEmpty);

    private readonly Option<object[]> _uids = CommandOptions.Several(
        "--uid", "UID", "Only this user", "a user id", text => (object?)TraceValues.Id(text));

    private readonly Option<string[]> _containers = CommandOptions.Several(
        "--container", "NAME", "Only this container, by its name in its pod, or its id or how that begins", "a container", NotEmpty);

    private readonly Option<string[]> _namespaces = CommandOptions.Several(
        "--namespace", "NAME", "Only this namespace of Kubernetes", "a name", NotEmpty);

    private readonly Option<object[]> _ports = CommandOptions.Several(
        "--port", "PORT", "Only this port, on either side", "a port from 1 to 65535", text => (object?)TraceValues.Port(text));

    private readonly Option<string[]> _networks = CommandOptions.Several(
        "--cidr", "CIDR", "Only addresses in this network, on either side", "a network such as 10.0.0.0/8 or fd00::/8, or an address",
        text => TraceValues.Network(text) is null ? null : text);

    private readonly Option<string[]> _operations = CommandOptions.Several(
        "--operation", "NAME", "Only connect, accept, send, recv, release or detect", "connect, accept, send, recv, release or detect",
        text => TraceValues.Operation(text) is null ? null : text);

    private readonly Option<string[]> _protocols = CommandOptions.Several(
        "--protocol", "NAME", "Only tcp or udp", "tcp or udp", text => TraceValues.Transport(text) is null ? null : text);

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_pids, _noChildren, _executables, _uids, _containers, _namespaces, _ports, _networks, _operations, _protocols])
        {
            command.Add(option);
        }
    }

    public TraceChoice Read(ParseResult parsed) => new()
    {
        Pids = Unboxed<uint>(parsed.GetValue(_pids)),
        WithChildren = !parsed.GetValue(_noChildren),
        Executables = parsed.GetValue(_executables) ?? [],
        Uids = Unboxed<uint>(parsed.GetValue(_uids)),
        Containers = parsed.GetValue(_containers) ?? [],
        Namespaces = parsed.GetValue(_namespaces) ?? [],
        Ports = Unboxed<ushort>(parsed.GetValue(_ports)),
        Networks = parsed.GetValue(_networks) ?? [],
        Operations = parsed.GetValue(_operations) ?? [],
        Protocols = parsed.GetValue(_protocols) ?? [],
    };

    private static string? NotEmpty(string text) => text.Length > 0 ? text : null;

    // Options of several values parse to references, so that null can say no.
    private static List<T> Unboxed<T>(object[]? values) => [.. (values ?? []).Cast<T>()];
}
