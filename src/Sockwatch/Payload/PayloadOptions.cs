using Sockwatch.Kernel;

namespace Sockwatch.Payload;

/// <summary>Whose bytes are captured.</summary>
internal enum PayloadDirection
{
    /// <summary>Nobody's.</summary>
    Off,

    /// <summary>What clients send over TCP.</summary>
    Client,

    /// <summary>What clients and servers send.</summary>
    Send,

    /// <summary>What they receive, too.</summary>
    Both,
}

/// <summary>How captured bytes are written into flow records.</summary>
internal enum PayloadEncoding
{
    /// <summary>As text, with a dot for what is not printable.</summary>
    Text,

    /// <summary>All of them, exactly.</summary>
    Base64,
}

/// <summary>What of the applications' own bytes is captured. Nothing by default; and then only of who is named.</summary>
internal sealed class PayloadOptions
{
    /// <summary>What the recognition of a protocol looks at: a TLS greeting with its server's name is rarely longer.</summary>
    public const int RecogniseReach = 2048;

    public PayloadDirection Direction { get; set; } = PayloadDirection.Off;

    /// <summary>Bytes of each socket and direction, from the first one on.</summary>
    public int Limit { get; set; } = 16 * 1024;

    /// <summary>Only of these executables: base names, or whole paths.</summary>
    public IList<string> Processes { get; set; } = [];

    /// <summary>Only of conversations whose serving side has one of these ports.</summary>
    public IList<int> Ports { get; set; } = [];

    /// <summary>Only of workloads in these namespaces.</summary>
    public IList<string> Namespaces { get; set; } = [];

    /// <summary>Everybody's, without a list.</summary>
    public bool All { get; set; }

    /// <summary>Patterns whose matches are overwritten with asterisks before anything leaves the process.</summary>
    public IList<string> Redact { get; set; } = [];

    public PayloadEncoding Encoding { get; set; } = PayloadEncoding.Text;

    /// <summary>Memory for captured bytes that wait for the record of their flow. Past this, the oldest go.</summary>
    public long MemoryBytes { get; set; } = 32 * 1024 * 1024;

    /// <summary>Names the protocol of each flow by its first bytes, which are not kept.</summary>
    public bool RecogniseProtocols { get; set; }

    public bool IsOn => Direction != PayloadDirection.Off || RecogniseProtocols;

    public bool HasList => Processes.Count > 0 || Ports.Count > 0 || Namespaces.Count > 0;

    /// <summary>What it takes of the kernel.</summary>
    public PayloadReach Reach()
    {
        var limit = Direction == PayloadDirection.Off ? 0 : Limit;
        var recognise = RecogniseProtocols ? RecogniseReach : 0;
        return new PayloadReach(
            OfClient: Math.Max(limit, recognise),
            OfServer: Math.Max(Direction >= PayloadDirection.Send ? limit : 0, recognise),
            Received: Direction == PayloadDirection.Both ? limit : 0,
            Unlisted: recognise,
            Ports: Direction == PayloadDirection.Off || All ? [] : [.. Ports]);
    }
}
