namespace Sockwatch.Control;

/// <summary>Every request there is.</summary>
internal static class ControlRequests
{
    private static readonly ControlJson Json = ControlJson.Default;

    public static readonly ControlRequest<HelloArguments, HelloReply> Hello = new("hello", Json.HelloArguments, Json.HelloReply);

    public static readonly ControlRequest<OptionsArguments, OptionsReply> Options = new("options", Json.OptionsArguments, Json.OptionsReply);

    public static readonly ControlRequest<LimitArguments, Done> Limit = new("limit", Json.LimitArguments, Json.Done);

    public static readonly ControlRequest<ForgetArguments, Done> Forget = new("forget", Json.ForgetArguments, Json.Done);

    public static readonly ControlRequest<NoArguments, Done> Reset = new("reset", Json.NoArguments, Json.Done);

    public static readonly ControlRequest<VerdictEntry, Done> VerdictAdd = new("verdict.add", Json.VerdictEntry, Json.Done);

    public static readonly ControlRequest<VerdictRemoveArguments, Done> VerdictRemove = new("verdict.remove", Json.VerdictRemoveArguments, Json.Done);

    public static readonly ControlStreamRequest<NoArguments, VerdictEntry, Done> VerdictList = new("verdict.list", Json.NoArguments, Json.VerdictEntry, Json.Done);

    public static readonly ControlStreamRequest<TraceArguments, string, TraceEnd> Trace = new("trace", Json.TraceArguments, null, Json.TraceEnd);

    public static readonly ControlStreamRequest<TopArguments, TopPart, Done> Top = new("top", Json.TopArguments, Json.TopPart, Json.Done);

    public static readonly ControlStreamRequest<DumpArguments, DumpRows, Done> Dump = new("dump", Json.DumpArguments, Json.DumpRows, Json.Done);
}
