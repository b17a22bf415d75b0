namespace Sockwatch.Payload.Protocols;

/// <summary>What a flow speaks, in the words of OpenTelemetry's <c>network.protocol.name</c> and <c>.version</c>.</summary>
/// <param name="Version">Empty where the first bytes do not say.</param>
/// <param name="ServerName">The server that a TLS client asked for; empty for none.</param>
internal sealed record RecognisedProtocol(string Name, string Version = "", string ServerName = "");

/// <summary>What came of a look at the first bytes of a stream.</summary>
internal enum Recognition
{
    /// <summary>Not one of ours, whatever comes.</summary>
    Unknown,

    /// <summary>Too few bytes to tell.</summary>
    NeedsMore,

    Recognised,
}
