namespace Sockwatch.Enrichment;

/// <summary>How much naming may remember, beyond what the configuration says.</summary>
internal sealed record NamingLimits(int Executables, int Cgroups, int Listeners, int DnsQuestions)
{
    public static readonly NamingLimits Default = new(Executables: 8192, Cgroups: 16_384, Listeners: 8192, DnsQuestions: 8192);
}
