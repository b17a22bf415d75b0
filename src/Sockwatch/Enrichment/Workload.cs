using Sockwatch.Diagnostics;

namespace Sockwatch.Enrichment;

/// <summary>Who owns a socket.</summary>
internal readonly record struct Workload(string Namespace, string Kind, string Name)
{
    public const string Container = "Container";
    public const string SystemdUnit = "SystemdUnit";
    public const string Process = "Process";

    // Peers only.
    public const string Service = "Service";
    public const string Network = "Cidr";
    public const string DomainName = "Dns";

    public static readonly Workload Unknown = new("", "", "");

    public bool IsKnown => Kind.Length > 0;

    /// <summary>Fit for a label, whoever chose the names.</summary>
    public Workload Printable() => new(
        PrintableText.Of(Namespace, EdgeNaming.MaxNameLength), PrintableText.Of(Kind, EdgeNaming.MaxNameLength), PrintableText.Of(Name, EdgeNaming.MaxNameLength));
}
