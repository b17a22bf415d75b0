using System.Text.Json;
using System.Text.Json.Serialization;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters.Top;
using Sockwatch.Exporters.Trace;

namespace Sockwatch.Control;

internal sealed record ControlEnvelope(string Name, JsonElement Arguments);

internal sealed record ControlError(string Code, string Message);

internal sealed record NoArguments;

/// <summary>Done as asked.</summary>
/// <param name="Note">What the operator should know besides, one line; null nothing.</param>
internal sealed record Done(string? Note = null);

internal sealed record HelloArguments(int Version, string Client);

/// <param name="Requests">What this agent offers; some of it depends on the kernel and the settings.</param>
internal sealed record HelloReply(int Version, string Agent, int Pid, string Kernel, double UptimeSeconds, IReadOnlyList<string> Requests);

/// <param name="Items">Items of this stream that found no room in its queue, so far.</param>
/// <param name="Kernel">Records that found no room in the kernel since the stream began: of all processes, filters notwithstanding.</param>
/// <param name="Unread">Pieces of payload that could not be read, likewise; left out where there are none.</param>
internal sealed record StreamLosses(
    long Items, long Kernel, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] long Unread = 0);

/// <summary>Options that change while the agent runs; an empty list asks for all there are.</summary>
internal sealed record OptionsArguments(IReadOnlyList<OptionValue> Set);

internal sealed record OptionValue(string Key, string Value);

internal sealed record OptionsReply(IReadOnlyList<OptionState> Options);

/// <param name="IsChanged">Whether it is not what the agent was started with.</param>
internal sealed record OptionState(string Key, string Value, string Expected, bool IsChanged);

/// <summary>New sockets and time that a process may be followed for; null for no limit of the kind.</summary>
internal sealed record LimitArguments(uint Pid, uint? Sockets = null, double? Seconds = null);

internal sealed record ForgetArguments(uint Pid);

/// <param name="Network">An address or CIDR.</param>
/// <param name="Verdict">allow or detect.</param>
/// <param name="Seconds">How long it lasts; null for the time of its kind.</param>
internal sealed record VerdictEntry(string Network, string Verdict, uint Classification, string Name, double? Seconds = null);

internal sealed record VerdictRemoveArguments(string Network);

/// <param name="Format">text or json.</param>
/// <param name="MaxLines">Null for no end.</param>
internal sealed record TraceArguments(string Format, TraceChoice Choice, long? MaxLines = null);

/// <param name="Lines">Sent; with <paramref name="Losses"/>' items, all that there were.</param>
internal sealed record TraceEnd(long Lines, StreamLosses Losses);

/// <param name="Seconds">Between tables.</param>
internal sealed record TopArguments(double Seconds);

/// <param name="IsLast">Whether the table ends with these rows.</param>
internal sealed record TopPart(IReadOnlyList<TopRow> Rows, bool IsLast);

/// <param name="Sections">Names of sections; empty for all.</param>
/// <param name="MaxRows">Of each section.</param>
internal sealed record DumpArguments(IReadOnlyList<string> Sections, int MaxRows);

/// <summary>Rows of one section; a section comes in as many as it takes.</summary>
internal sealed record DumpRows(string Section, IReadOnlyList<DumpColumn> Columns, IReadOnlyList<IReadOnlyList<string>> Rows, bool IsCut);

/// <summary>Hostile input is refused as it is read: unknown members, missing ones, and null where there must be a value.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    AllowDuplicateProperties = false,
    MaxDepth = 8,
    NumberHandling = JsonNumberHandling.Strict,
    PropertyNameCaseInsensitive = false,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(ControlEnvelope))]
[JsonSerializable(typeof(ControlError))]
[JsonSerializable(typeof(Done))]
[JsonSerializable(typeof(DumpArguments))]
[JsonSerializable(typeof(DumpRows))]
[JsonSerializable(typeof(ForgetArguments))]
[JsonSerializable(typeof(HelloArguments))]
[JsonSerializable(typeof(HelloReply))]
[JsonSerializable(typeof(LimitArguments))]
[JsonSerializable(typeof(NoArguments))]
[JsonSerializable(typeof(OptionsArguments))]
[JsonSerializable(typeof(OptionsReply))]
[JsonSerializable(typeof(StreamLosses))]
[JsonSerializable(typeof(TopArguments))]
[JsonSerializable(typeof(TopPart))]
[JsonSerializable(typeof(TraceArguments))]
[JsonSerializable(typeof(TraceEnd))]
[JsonSerializable(typeof(VerdictEntry))]
[JsonSerializable(typeof(VerdictRemoveArguments))]
internal sealed partial class ControlJson : JsonSerializerContext;
