namespace Sockwatch.Enrichment;

/// <summary>Who owns a socket.</summary>
internal readonly record struct Workload(string Namespace, string Kind, string Name)
{
    public const string Container = "Container";
    public const string SystemdUnit = "SystemdUnit";
    public const string Process = "Process";

    public static readonly Workload Unknown = new("", "", "");

    public bool IsKnown => Kind.Length > 0;
}
