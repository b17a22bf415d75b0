namespace Sockwatch.Tests.Exporters.Otlp;

/// <summary>A series as a time series database has it.</summary>
internal sealed record StoredSeries(IReadOnlyDictionary<string, string> Labels, double[] Values, long[] TimesMs);
