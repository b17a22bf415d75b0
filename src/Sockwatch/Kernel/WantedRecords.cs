namespace Sockwatch.Kernel;

/// <summary>Which flow records somebody wants, traces left aside. Mirrors <c>enum wanted_records</c>.</summary>
internal enum WantedRecords : byte
{
    None = 0,

    /// <summary>Failures and detections, which are rare.</summary>
    Trouble = 1,

    All = 2,
}
