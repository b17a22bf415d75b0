using System.Globalization;
using System.Text;
using System.Text.Json;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Sockwatch.Configuration;

/// <summary>A value of the file, with the line it stands on: a text, a list or a mapping; none of them when it is empty.</summary>
internal sealed record FileNode(int Line)
{
    public string? Text { get; init; }

    public IReadOnlyList<FileNode>? Items { get; init; }

    public IReadOnlyList<(string Name, int Line, FileNode Value)>? Members { get; init; }
}

/// <summary>Reads a configuration file, YAML or (by its name, *.json) JSON, without reflection.</summary>
internal static class ConfigurationFile
{
    // A file of ours is a page long; these keep a mistaken path or a hostile alias from filling the memory.
    private const int MaxBytes = 1024 * 1024;
    private const int MaxNodes = 20_000;
    private const int MaxDepth = 16;

    public static FileNode Read(string path)
    {
        var bytes = ReadBytes(path);
        return path.EndsWith(".json", StringComparison.OrdinalIgnoreCase) ? ReadJson(path, bytes) : ReadYaml(path, bytes);
    }

    private static byte[] ReadBytes(string path)
    {
        try
        {
            if (Directory.Exists(path))
            {
                throw new ConfigurationException($"configuration file {path} is a directory; expected a YAML or JSON file");
            }

            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var content = new MemoryStream();
            var buffer = new byte[16 * 1024];
            for (var read = file.Read(buffer); read > 0; read = file.Read(buffer))
            {
                content.Write(buffer, 0, read);
                if (content.Length > MaxBytes)
                {
                    throw new ConfigurationException($"configuration file {path} is larger than 1 MiB; expected a YAML or JSON file");
                }
            }

            return content.ToArray();
        }
        catch (Exception failure) when (failure is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ConfigurationException($"configuration file {path} does not exist", failure);
        }
        catch (UnauthorizedAccessException failure)
        {
            throw new ConfigurationException($"configuration file {path} cannot be read: permission denied", failure);
        }
        catch (IOException failure)
        {
            throw new ConfigurationException($"configuration file {path} cannot be read: {failure.Message}", failure);
        }
    }

    private static FileNode ReadYaml(string path, byte[] bytes)
    {
        var stream = new YamlStream();
        try
        {
            using var text = new StreamReader(new MemoryStream(bytes), new UTF8Encoding(false, throwOnInvalidBytes: true));
            stream.Load(text);
        }
        catch (DecoderFallbackException failure)
        {
            throw new ConfigurationException($"{path} is not UTF-8 text; expected a YAML or JSON file", failure);
        }
        catch (YamlException failure)
        {
            throw new ConfigurationException(
                string.Create(CultureInfo.InvariantCulture, $"{path}, line {failure.Start.Line}: not valid YAML: {failure.Message}"), failure);
        }

        if (stream.Documents.Count == 0)
        {
            return new FileNode(1);
        }

        if (stream.Documents.Count > 1)
        {
            var line = stream.Documents[1].RootNode.Start.Line;
            throw new ConfigurationException(string.Create(CultureInfo.InvariantCulture, $"{path}, line {line}: a second document; expected one"));
        }

        var nodes = 0;
        return FromYaml(path, stream.Documents[0].RootNode, 0, ref nodes);
    }

    private static FileNode FromYaml(string path, YamlNode node, int depth, ref int nodes)
    {
        var line = (int)node.Start.Line;
        RefuseExcess(path, line, depth, ++nodes);
        switch (node)
        {
            case YamlScalarNode scalar:
                var isNull = scalar.Style == ScalarStyle.Plain && scalar.Value is null or "" or "~" or "null";
                return new FileNode(line) { Text = isNull ? null : scalar.Value };

            case YamlSequenceNode sequence:
                var items = new List<FileNode>();
                foreach (var item in sequence.Children)
                {
                    items.Add(FromYaml(path, item, depth + 1, ref nodes));
                }

                return new FileNode(line) { Items = items };

            case YamlMappingNode mapping:
                var members = new List<(string, int, FileNode)>();
                foreach (var (key, value) in mapping.Children)
                {
                    if (key is not YamlScalarNode { Value: { } name })
                    {
                        throw new ConfigurationException(
                            string.Create(CultureInfo.InvariantCulture, $"{path}, line {key.Start.Line}: a key that is not text; expected a name"));
                    }

                    members.Add((name, (int)key.Start.Line, FromYaml(path, value, depth + 1, ref nodes)));
                }

                return new FileNode(line) { Members = members };

            default:
                throw new ConfigurationException(
                    string.Create(CultureInfo.InvariantCulture, $"{path}, line {line}: expected text, a list or keys"));
        }
    }

    private static FileNode ReadJson(string path, byte[] bytes)
    {
        ReadOnlySpan<byte> json = bytes;
        if (json.StartsWith(Encoding.UTF8.Preamble))
        {
            json = json[Encoding.UTF8.Preamble.Length..];
        }

        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        try
        {
            reader.Read();
            var nodes = 0;
            var root = FromJson(path, json, ref reader, 0, ref nodes);
            reader.Read(); // Anything after the value is an error.
            return root;
        }
        catch (JsonException failure)
        {
            // The message repeats the position; ours stands in front already.
            var message = failure.Message.Split(" LineNumber:", 2)[0];
            throw new ConfigurationException(
                string.Create(CultureInfo.InvariantCulture, $"{path}, line {failure.LineNumber + 1}: not valid JSON: {message}"), failure);
        }
        catch (InvalidOperationException failure) // How the reader says that a string is not UTF-8.
        {
            throw new ConfigurationException($"{path} is not UTF-8 text; expected a YAML or JSON file", failure);
        }
    }

    private static FileNode FromJson(string path, ReadOnlySpan<byte> json, ref Utf8JsonReader reader, int depth, ref int nodes)
    {
        var line = LineAt(json, reader.TokenStartIndex);
        RefuseExcess(path, line, depth, ++nodes);
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                var members = new List<(string, int, FileNode)>();
                while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                {
                    var name = reader.GetString()!;
                    var nameLine = LineAt(json, reader.TokenStartIndex);
                    reader.Read();
                    members.Add((name, nameLine, FromJson(path, json, ref reader, depth + 1, ref nodes)));
                }

                return new FileNode(line) { Members = members };

            case JsonTokenType.StartArray:
                var items = new List<FileNode>();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    items.Add(FromJson(path, json, ref reader, depth + 1, ref nodes));
                }

                return new FileNode(line) { Items = items };

            case JsonTokenType.String:
                return new FileNode(line) { Text = reader.GetString() };

            case JsonTokenType.Null:
                return new FileNode(line);

            default:
                return new FileNode(line) { Text = Encoding.UTF8.GetString(reader.ValueSpan) };
        }
    }

    private static int LineAt(ReadOnlySpan<byte> json, long index) => 1 + json[..(int)index].Count((byte)'\n');

    private static void RefuseExcess(string path, int line, int depth, int nodes)
    {
        if (depth > MaxDepth || nodes > MaxNodes)
        {
            throw new ConfigurationException(
                string.Create(CultureInfo.InvariantCulture, $"{path}, line {line}: too deep or too large; expected a configuration file"));
        }
    }
}
