// Swagger UI's settings: how it is shown, and what of its markup screen readers and keyboards stumble over.
({
  deepLinking: true,
  plugins: [
    ({ React: { createElement } }) => ({
      wrapComponents: {
        // a link inside of a button
        DeepLink: () => ({ text }) => createElement("span", null, text),
        // no landmark around the title, and nothing between its heading and those of the third level
        InfoContainer: (Original) => (props) =>
          createElement(
            "div",
            { role: "banner" },
            createElement(Original, props),
            createElement("h2", { className: "unseen" }, "Endpoints"),
          ),
        // no label
        TextArea: (Original) => (props) => createElement(Original, { "aria-label": "Request body", ...props }),
      },
    }),
  ],
})
