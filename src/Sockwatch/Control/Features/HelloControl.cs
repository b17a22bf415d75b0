using Sockwatch.Diagnostics;

namespace Sockwatch.Control.Features;

/// <summary><c>hello</c>: settles the version, and says who answers and what it offers.</summary>
internal sealed class HelloControl(BuildInfo build, TimeProvider time) : IControlFeature
{
    private readonly long _startedAt = time.GetTimestamp();

    public void Register(ControlHandlers handlers) => handlers.On(ControlRequests.Hello, (hello, _, _) =>
        ValueTask.FromResult(hello.Version == ControlProtocol.Version
            ? new HelloReply(
                ControlProtocol.Version, build.Version, Environment.ProcessId, build.Kernel, time.GetElapsedTime(_startedAt).TotalSeconds, handlers.Names)
            : throw new ControlException(
                ControlErrors.Version,
                $"this agent ({build.Version}) speaks version {ControlProtocol.Version} of the control protocol, not {hello.Version}; use the sockwatch that it came with")));
}
